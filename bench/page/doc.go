// Package page shows the record of bench/history: page.go writes one HTML file that needs nothing
// else, png.go one image. chart.go draws a figure over commits, on either of the canvases of svg.go
// and png.go.
package page
