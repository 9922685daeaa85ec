package openai

import "basalt/server/api"

// Status is the HTTP status of an error.
func Status(err *api.Error) int {
	switch err.Code {
	case api.Invalid, api.ContextExceeded, api.ModelFailed, api.QuotaExceeded:
		return 400
	case api.Unauthenticated, api.UnknownKey, api.BadSignature:
		return 401
	case api.Forbidden:
		return 403
	case api.NotFound:
		return 404
	case api.MethodNotAllowed:
		return 405
	case api.Conflict:
		return 409
	case api.RequestTimeout:
		return 408
	case api.TooLarge:
		return 413
	case api.Throttled:
		return 429
	case api.HeaderTooLarge:
		return 431
	case api.Unavailable:
		return 503
	default:
		return 500
	}
}

// kind gives OpenAI's type and code of an error.
func kind(c api.Code) (kind, code string) {
	switch c {
	case api.ContextExceeded:
		return "invalid_request_error", "context_length_exceeded"
	case api.Unauthenticated, api.UnknownKey, api.BadSignature:
		return "invalid_request_error", "invalid_api_key"
	case api.Forbidden:
		return "permission_error", "forbidden"
	case api.NotFound:
		return "invalid_request_error", "not_found"
	case api.TooLarge, api.HeaderTooLarge:
		return "invalid_request_error", "request_too_large"
	case api.Throttled:
		return "rate_limit_error", "rate_limit_exceeded"
	case api.Unavailable:
		return "server_error", "service_unavailable"
	case api.DeviceFailed:
		return "server_error", "device_error"
	case api.ModelFailed:
		return "invalid_request_error", "model_error"
	case api.Internal:
		return "server_error", "internal_error"
	case api.Conflict:
		return "invalid_request_error", "conflict"
	case api.QuotaExceeded:
		return "invalid_request_error", "quota_exceeded"
	default:
		return "invalid_request_error", ""
	}
}

// AppendError appends the error body.
func AppendError(dst []byte, err *api.Error) []byte {
	kind, code := kind(err.Code)
	if err.Code == api.NotFound && err.Field == "model" {
		code = "model_not_found"
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = api.AppendString(dst, err.Message)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","param":`...)
	dst = appendOrNull(dst, err.Field)
	dst = append(dst, `,"code":`...)
	dst = appendOrNull(dst, code)
	return append(dst, `}}`...)
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return api.AppendString(dst, s)
}
