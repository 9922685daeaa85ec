package peers

import (
	"slices"
	"time"

	"basalt/bench/track"
)

// Entries are the lines of the record that samples give: one for each row of each build and machine
// of Basalt, with the peers' figures of the same rounds beside it.
func Entries(samples []Sample) []track.Entry {
	type key struct{ build, machine string }
	var keys []key
	var entries []track.Entry
	for _, s := range samples {
		k := key{s.Build, s.Machine}
		if s.Side == SideBasalt && !slices.Contains(keys, k) {
			keys = append(keys, k)
			entries = append(entries, entriesOf(samples, k.build, k.machine)...)
		}
	}
	return entries
}

func entriesOf(samples []Sample, build, machine string) []track.Entry {
	var date time.Time
	var own []Sample
	for _, s := range samples {
		if s.Machine != machine {
			continue
		}
		own = append(own, s)
		if s.Build == build && s.Time.After(date) {
			date = s.Time
		}
	}
	var entries []track.Entry
	for _, peer := range Peers(own) {
		for _, l := range Lines(own, Filter{Build: build, Peer: peer}) {
			workload := "peers/" + l.Row
			i := slices.IndexFunc(entries, func(e track.Entry) bool {
				return e.Workload == workload
			})
			if i < 0 {
				i = len(entries)
				entries = append(entries, track.Entry{
					Commit: build, Date: date, Machine: machine, Workload: workload,
					Command: "basalt bench cpu --rows " + l.Row,
					Figures: make(map[string]track.Value),
				})
			}
			l.note(entries[i].Figures, peer)
		}
	}
	return entries
}

// note puts a line's figures into the record. Basalt's own are those beside the first peer.
func (l *Line) note(figures map[string]track.Value, peer string) {
	if _, known := figures[l.Metric]; !known {
		figures[l.Metric] = l.Basalt.value(l.Unit, l.Lower)
	}
	better := ", times better"
	if peer != SideLlama {
		better += " than " + peer
	}
	if l.Peer.N > 0 {
		figures[l.Metric+", "+peer] = l.Peer.value(l.Unit, l.Lower)
	}
	if l.Ratio.N > 0 {
		figures[l.Metric+better] = l.Ratio.value("x", false)
	}
}

func (s Spread) value(unit string, lower bool) track.Value {
	return track.Value{
		Unit: unit, Lower: lower, Median: s.Median, Min: s.Min, Max: s.Max, N: s.N,
	}
}
