package buckets

import (
	"errors"
	"net/http"
	"net/url"
	"syscall"
)

// Transient reports an error that may be gone the next time: a full disk, a store that is away.
func Transient(err error) bool {
	for _, e := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.EMFILE,
		syscall.ENFILE, syscall.EROFS, syscall.ENOMEM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var refused *StoreError
	if errors.As(err, &refused) {
		return refused.Status >= 500 || refused.Status == http.StatusTooManyRequests ||
			refused.Status == http.StatusRequestTimeout
	}
	var network *url.Error
	return errors.As(err, &network)
}
