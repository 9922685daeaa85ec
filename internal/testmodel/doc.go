// Package testmodel makes tiny seeded checkpoints of every family in memory, for tests of devices,
// servers and benches. Their sizes are awkward on purpose: odd widths, a vocabulary that is no
// multiple of a vector, several query heads for each key-value head.
package testmodel
