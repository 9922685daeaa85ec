package load

import (
	"encoding/json"
	"strings"
)

func sentence(words []string) string { return strings.Join(words, " ") }

// commonWords are English words that, with the space before them, are one token in most
// vocabularies.
const commonWords = `the of and to in is that for it as was with be by on not he his but at are this
have from which one had all their there when who will more if no out so said what up its about into
than them can only other new some could time these two may then do first any my now such like our
over man me even most made after also did many before must through back years where much your way
well down should because each just those people too little state good very make world still own see
men work long get here between both life being under never day same another know while last might us
great old year off come since against go came right used take three`

// tools are functions that a model may be asked to call.
func tools() []Tool {
	return []Tool{
		{
			Name: "get_weather", Description: "The weather at a place.",
			Schema: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"},` +
				`"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"]}`),
		},
		{
			Name: "search", Description: "Finds documents.",
			Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"},` +
				`"limit":{"type":"integer"}},"required":["query"]}`),
		},
	}
}
