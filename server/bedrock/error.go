package bedrock

import (
	"strings"

	"basalt/server/api"
)

// Exception is the service's name of an error and its HTTP status.
func Exception(err *api.Error) (name string, status int) {
	switch err.Code {
	case api.Invalid, api.ContextExceeded:
		return "ValidationException", 400
	case api.TooLarge:
		return "ValidationException", 413
	case api.HeaderTooLarge:
		return "ValidationException", 431
	case api.Unauthenticated, api.Forbidden:
		return "AccessDeniedException", 403
	case api.UnknownKey:
		return "UnrecognizedClientException", 403
	case api.BadSignature:
		return "InvalidSignatureException", 403
	case api.NotFound:
		if err.Field == "" {
			return "UnknownOperationException", 404
		}
		return "ResourceNotFoundException", 404
	case api.MethodNotAllowed:
		return "UnknownOperationException", 405
	case api.RequestTimeout:
		return "RequestTimeoutException", 408
	case api.ModelFailed:
		return "ModelErrorException", 424
	case api.Throttled:
		return "ThrottlingException", 429
	case api.Unavailable:
		return "ServiceUnavailableException", 503
	case api.Conflict:
		return "ConflictException", 400
	case api.QuotaExceeded:
		return "ServiceQuotaExceededException", 400
	default:
		return "InternalServerException", 500
	}
}

// AppendError appends the body of an error; its name travels in the header x-amzn-ErrorType.
func AppendError(dst []byte, err *api.Error) []byte {
	dst = append(dst, `{"message":`...)
	dst = api.AppendString(dst, message(err))
	if err.Code == api.ModelFailed {
		dst = append(dst, `,"originalStatusCode":500`...)
	}
	return append(dst, '}')
}

// message gives the text that clients look for: several tell an over-long prompt by this sentence
// alone.
func message(err *api.Error) string {
	const tooLong = "Input is too long for requested model."
	if err.Code == api.ContextExceeded && !strings.HasPrefix(err.Message, tooLong) {
		return tooLong + " " + err.Message
	}
	return err.Message
}

// streamException is the member of the response stream that carries an error.
func streamException(err *api.Error) string {
	switch err.Code {
	case api.Invalid, api.ContextExceeded:
		return "validationException"
	case api.Throttled:
		return "throttlingException"
	case api.Unavailable:
		return "serviceUnavailableException"
	case api.DeviceFailed, api.ModelFailed:
		return "modelStreamErrorException"
	default:
		return "internalServerException"
	}
}

// appendException appends the exception frame that ends a stream.
func appendException(dst []byte, err *api.Error) []byte {
	name := streamException(err)
	h := exceptionHeaders(name)
	start := len(dst)
	dst = append(h.begin(dst), `{"message":`...)
	dst = api.AppendString(dst, message(err))
	if name == "modelStreamErrorException" {
		dst = append(dst, `,"originalStatusCode":500`...)
	}
	return h.end(append(dst, '}'), start)
}
