package sagemaker

import "basalt/server/api"

// Exception is the service's name of an error and its HTTP status. What the model's container would
// refuse is a ModelError, whose body has the container's own status; fields of the runtime API's
// own begin with a capital.
func Exception(err *api.Error) (name string, status int) {
	if f := err.Field; err.Code == api.Invalid && f != "" && f[0] >= 'A' && f[0] <= 'Z' {
		return "ValidationError", 400
	}
	switch err.Code {
	case api.Throttled:
		return "ThrottlingException", 429
	case api.Unavailable:
		return "ServiceUnavailable", 503
	case api.Internal, api.DeviceFailed:
		return "InternalFailure", 500
	case api.NotFound, api.MethodNotAllowed, api.TooLarge, api.HeaderTooLarge, api.RequestTimeout:
		return "ValidationError", 400
	case api.Invalid, api.ContextExceeded, api.ModelFailed:
		return "ModelError", 424
	default: // credentials
		return "AccessDeniedException", 403
	}
}

// AppendError appends the body of an error; its name travels in the header x-amzn-ErrorType.
func AppendError(dst []byte, err *api.Error) []byte {
	name, _ := Exception(err)
	dst = api.AppendString(append(dst, `{"Message":`...), err.Message)
	if name == "ModelError" {
		dst = append(dst, `,"OriginalStatusCode":400,"OriginalMessage":`...)
		dst = api.AppendString(dst, err.Message)
	}
	return append(dst, '}')
}

// StreamException is the member of a response stream that carries an error, and its payload.
func StreamException(err *api.Error) (name string, payload []byte) {
	if err.Code == api.Internal {
		payload = api.AppendString([]byte(`{"Message":`), err.Message)
		return "InternalStreamFailure", append(payload, '}')
	}
	payload = api.AppendString([]byte(`{"Message":`), err.Message)
	return "ModelStreamError", append(payload, `,"ErrorCode":"ModelInvocationError"}`...)
}
