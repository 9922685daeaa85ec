// Package monitor reads the health of Neuron devices without any library: sysfs.go the counters of
// the kernel driver below SysfsRoot, report.go the reports that AWS's neuron-monitor prints, one
// JSON object a period. metrics.go writes both as Prometheus text. Both formats are described in
// the AWS Neuron documentation ("Neuron Sysfs User Guide", "Neuron Monitor User Guide"); drivers
// differ in which counters they have, so one that is absent counts as unknown, and one that holds
// no number is an error that names it.
package monitor
