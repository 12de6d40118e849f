// SPDX-License-Identifier: Apache-2.0

package s3test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Drops accepts what is put where about says so, and keeps nothing of it.
func Drops(about func(*http.Request) bool) Fault {
	return Fault{Answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !about(r) {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
		return true
	}}
}

// Full refuses what is put where about says so, as a store without room does.
func Full(about func(*http.Request) bool) Fault {
	return Fault{Answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !about(r) {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInsufficientStorage)
		return true
	}}
}

// Truncates gives all but the last byte of what is read where about says so.
func Truncates(about func(*http.Request) bool) Fault {
	return changesContent(about, func(raw []byte) []byte { return raw[:len(raw)-1] })
}

// FlipsABit in the middle of what is read where about says so.
func FlipsABit(about func(*http.Request) bool) Fault {
	return changesContent(about, func(raw []byte) []byte { raw[len(raw)/2] ^= 1; return raw })
}

// IgnoresLock shows no object as locked.
func IgnoresLock() Fault {
	return Fault{Change: func(response *http.Response) error {
		response.Header.Del("X-Amz-Object-Lock-Mode")
		response.Header.Del("X-Amz-Object-Lock-Retain-Until-Date")
		return nil
	}}
}

func changesContent(about func(*http.Request) bool, change func([]byte) []byte) Fault {
	return Fault{Change: func(response *http.Response) error {
		if response.Request.Method != http.MethodGet || !about(response.Request) || response.StatusCode != http.StatusOK {
			return nil
		}
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		raw = change(raw)
		response.Body = io.NopCloser(bytes.NewReader(raw))
		response.ContentLength = int64(len(raw))
		response.Header.Set("Content-Length", strconv.Itoa(len(raw)))
		return nil
	}}
}
