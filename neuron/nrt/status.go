package nrt

import (
	"errors"
	"fmt"
)

// Status is what a function of the library ended with; 0 is success.
type Status uint32

// Statuses that callers tell apart.
const (
	Success       Status = 0
	Invalid       Status = 2
	Timeout       Status = 5
	QueueFull     Status = 7
	Uninitialized Status = 13
	Closed        Status = 14
	Unrecoverable Status = 101
	OutOfBounds   Status = 1006
)

// Action is what a failure asks for.
type Action uint8

// The actions: try again soon; fail the requests of the step and go on; end the process, because
// the core's state is unknown; change the configuration, because no retry can help.
const (
	Retry Action = iota + 1
	FailRequest
	KillReplica
	FixConfiguration
)

// String says what to do.
func (a Action) String() string {
	return [...]string{
		Retry: "try again", FailRequest: "the requests of this step fail",
		KillReplica:      "restart this process",
		FixConfiguration: "the configuration must be changed",
	}[a]
}

// statuses lists what the library documents (nrt_status.h of the AWS Neuron runtime).
var statuses = map[Status]struct {
	name    string
	meaning string
	action  Action
}{
	1:             {"NRT_FAILURE", "a failure without a reason", FailRequest},
	Invalid:       {"NRT_INVALID", "a name, size or file that does not match", FailRequest},
	3:             {"NRT_INVALID_HANDLE", "an object that does not exist", FailRequest},
	4:             {"NRT_RESOURCE", "no memory or other resource is left", FixConfiguration},
	Timeout:       {"NRT_TIMEOUT", "the operation did not end in time", KillReplica},
	6:             {"NRT_HW_ERROR", "the hardware failed", KillReplica},
	QueueFull:     {"NRT_QUEUE_FULL", "the core has too much work queued", Retry},
	9:             {"NRT_LOAD_NOT_ENOUGH_NC", "the graph needs more cores", FixConfiguration},
	10:            {"NRT_UNSUPPORTED_NEFF_VERSION", "a file of another release", FixConfiguration},
	11:            {"NRT_FAIL_HOST_MEM_ALLOC", "no host memory is left", FixConfiguration},
	Uninitialized: {"NRT_UNINITIALIZED", "the library is not initialised", KillReplica},
	Closed:        {"NRT_CLOSED", "the library is closed", KillReplica},
	15:            {"NRT_QUEUE_EMPTY", "a queue has no data", Retry},
	Unrecoverable: {"NRT_EXEC_UNIT_UNRECOVERABLE", "the core cannot recover", KillReplica},
	1002:          {"NRT_EXEC_BAD_INPUT", "the inputs of a run are wrong", FailRequest},
	1003:          {"NRT_EXEC_COMPLETED_WITH_NUM_ERR", "a run produced NaN", FailRequest},
	1004:          {"NRT_EXEC_COMPLETED_WITH_ERR", "a run ended with errors", FailRequest},
	1005:          {"NRT_EXEC_NC_BUSY", "another process holds the core", FixConfiguration},
	OutOfBounds:   {"NRT_EXEC_OOB", "an index was out of range", FailRequest},
	1100:          {"NRT_COLL_PENDING", "a collective is under way", Retry},
	1200:          {"NRT_EXEC_HW_ERR_COLLECTIVES", "a collective is stuck", KillReplica},
	1201:          {"NRT_EXEC_HW_ERR_HBM_UE", "device memory has an error", KillReplica},
	1202:          {"NRT_EXEC_HW_ERR_NC_UE", "the core's memory has an error", KillReplica},
	1203:          {"NRT_EXEC_HW_ERR_DMA_ABORT", "a transfer engine failed", KillReplica},
	1204:          {"NRT_EXEC_SW_NQ_OVERFLOW", "a notification queue overflowed", KillReplica},
	1205:          {"NRT_EXEC_HW_ERR_REPAIRABLE_HBM_UE", "device memory has an error", KillReplica},
	1206:          {"NRT_NETWORK_PROXY_FAILURE", "the network between devices failed", KillReplica},
}

// String is the status's name in the library.
func (s Status) String() string {
	if t, ok := statuses[s]; ok {
		return fmt.Sprintf("%s (%d)", t.name, uint32(s))
	}
	return fmt.Sprintf("status %d", uint32(s))
}

// Action says what to do; a status that is not documented ends the process.
func (s Status) Action() Action {
	if t, ok := statuses[s]; ok {
		return t.action
	}
	return KillReplica
}

// Error is a failed call: the function, what it was about, and its status.
type Error struct {
	Function string
	What     string // such as `tensor "layers.0.cache.k"`
	Status   Status
}

// Error implements error.
func (e *Error) Error() string {
	meaning := "an undocumented status"
	if t, ok := statuses[e.Status]; ok {
		meaning = t.meaning
	}
	return fmt.Sprintf("%s of %s: %s: %s; %s", e.Function, e.What, e.Status, meaning,
		e.Status.Action())
}

// Broken says that nothing can run any more: the owner of the device must end.
func (e *Error) Broken() bool { return e.Status.Action() == KillReplica }

// check turns a status into an error.
func check(function, what string, status uint32) error {
	if status == 0 {
		return nil
	}
	return &Error{Function: function, What: what, Status: Status(status)}
}

// ErrOrder is wrapped by complaints about objects that are used after their release, or released
// while something needs them. It is a defect of the caller.
var ErrOrder = errors.New("BUG: wrong order of release")

// ErrFake reports the fake library of the tests, opened without permission.
var ErrFake = errors.New("this is the fake Neuron runtime of the tests: it computes on the CPU")

// ErrUnavailable reports that no runtime library could be opened.
var ErrUnavailable = errors.New("no Neuron runtime library")
