package chat

// EventKind says what a piece of model output is.
type EventKind uint8

const (
	EventText      EventKind = iota // Text for the user
	EventReasoning                  // Text of the model's reasoning
	EventCallStart                  // a tool call with its Name, and its ID if the model wrote one
	EventCallArgs                   // Text continues the call's arguments, a JSON object
	// EventCallEnd ends the call that was started last. Its arguments are complete unless Broken; a
	// call without any EventCallArgs has none. ID is set if the model wrote it after the arguments.
	EventCallEnd
	EventSkip // markers and the white space between them: nothing but Raw
)

// Event is one piece of model output, understood.
type Event struct {
	Kind     EventKind
	Text     string
	ID, Name string
	// Broken: the arguments stopped being JSON, or the output ended inside of them.
	Broken bool
	// Raw is the model's own text for this event. The Raws of all events, joined, are what was fed.
	Raw string
}
