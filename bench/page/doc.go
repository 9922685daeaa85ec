// Package page shows the record of bench/history: page.go writes one HTML file that needs nothing
// else, png.go one image.
//
// Charts are drawn on either of the canvases (canvas.go) of svg.go and png.go, with the axes of
// plot.go: bars.go compares with peers, curve.go shows latency over throughput, roofline.go
// products below the machine's ceilings, and series.go a figure over commits.
package page
