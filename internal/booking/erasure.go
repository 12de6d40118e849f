// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"crypto/hmac"
	"crypto/sha256"
)

// ErasureMark is what the erasure journal keeps of an erased appointment: an HMAC-SHA256 of its identifier. The
// identifier is random (122 bits), so the mark tells nothing to whoever has no copy of the erased row; a restore, which
// has one, finds it by the mark and erases it again.
func ErasureMark(appointment string) []byte {
	mark := hmac.New(sha256.New, []byte("termintreu erasure journal, version 1"))
	mark.Write([]byte(appointment))
	return mark.Sum(nil)
}
