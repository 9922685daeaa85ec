package jinja

import "testing"

// BenchmarkHostile reports the worst of the hostile templates.
func BenchmarkHostile(b *testing.B) {
	for _, a := range hostile() {
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := attack(a.source); err == nil {
					b.Fatal("no error")
				}
			}
		})
	}
}
