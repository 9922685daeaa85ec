package peers

import (
	"slices"
	"time"

	"basalt/bench/track"
)

// Entries are the lines of the record that samples give: one for each row of each build and machine
// of Basalt, with llama.cpp's figures of the same rounds beside it.
func Entries(samples []Sample) []track.Entry {
	type key struct{ build, machine string }
	var keys []key
	for _, s := range samples {
		if k := (key{s.Build, s.Machine}); s.Side == SideBasalt && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	var entries []track.Entry
	for _, k := range keys {
		own := slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool {
			return s.Machine != k.machine
		})
		date := time.Time{}
		for _, s := range own {
			if s.Build == k.build && s.Time.After(date) {
				date = s.Time
			}
		}
		byRow := make(map[string]map[string]track.Value)
		for _, l := range Lines(own, Filter{Build: k.build}) {
			figures := byRow[l.Row]
			if figures == nil {
				figures = make(map[string]track.Value)
				byRow[l.Row] = figures
				entries = append(entries, track.Entry{
					Commit: k.build, Date: date, Machine: k.machine, Workload: "peers/" + l.Row,
					Command: "basalt bench cpu --rows " + l.Row, Figures: figures,
				})
			}
			figures[l.Metric] = l.Basalt.value(l.Unit, l.Lower)
			if l.Llama.N > 0 {
				figures[l.Metric+", llama.cpp"] = l.Llama.value(l.Unit, l.Lower)
			}
			if l.Ratio.N > 0 {
				figures[l.Metric+", times better"] = l.Ratio.value("x", false)
			}
		}
	}
	return entries
}

func (s Spread) value(unit string, lower bool) track.Value {
	return track.Value{
		Unit: unit, Lower: lower, Median: s.Median, Min: s.Min, Max: s.Max, N: s.N,
	}
}
