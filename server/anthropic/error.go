package anthropic

import "basalt/server/api"

// Status is the HTTP status of an error. 529 is the API's own for a server that is too busy.
func Status(err *api.Error) int {
	_, status := kind(err.Code)
	return status
}

func kind(c api.Code) (name string, status int) {
	switch c {
	case api.Invalid, api.ContextExceeded, api.ModelFailed:
		return "invalid_request_error", 400
	case api.Forbidden:
		return "permission_error", 403
	case api.NotFound:
		return "not_found_error", 404
	case api.MethodNotAllowed:
		return "invalid_request_error", 405
	case api.RequestTimeout:
		return "timeout_error", 408
	case api.TooLarge:
		return "request_too_large", 413
	case api.Throttled:
		return "rate_limit_error", 429
	case api.HeaderTooLarge:
		return "request_too_large", 431
	case api.Unavailable:
		return "overloaded_error", 529
	case api.Internal, api.DeviceFailed:
		return "api_error", 500
	default: // credentials
		return "authentication_error", 401
	}
}

// AppendError appends the error body; id is the request's, empty where it is told elsewhere.
func AppendError(dst []byte, err *api.Error, id string) []byte {
	name, _ := kind(err.Code)
	message := err.Message
	if err.Code == api.ContextExceeded {
		message = "prompt is too long: " + message
	}
	dst = append(append(dst, `{"type":"error","error":{"type":"`...), name...)
	dst = append(api.AppendString(append(dst, `","message":`...), message), '}')
	if id != "" {
		dst = api.AppendString(append(dst, `,"request_id":`...), id)
	}
	return append(dst, '}')
}
