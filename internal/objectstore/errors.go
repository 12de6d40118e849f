// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Class of an error: what an operator must mend, in a word that carries no data.
type Class string

// Classes of errors.
const (
	// ClassUnreachable means no connection was made, or it broke.
	ClassUnreachable Class = "Unreachable"
	// ClassCertificateInvalid means the store's certificate does not verify.
	ClassCertificateInvalid Class = "CertificateInvalid"
	// ClassTimeout means the store did not answer, or not fast enough.
	ClassTimeout Class = "Timeout"
	// ClassAccessDenied means the store knows the identity not, or refuses it the request.
	ClassAccessDenied Class = "AccessDenied"
	// ClassNotFound means bucket or object do not exist.
	ClassNotFound Class = "NotFound"
	// ClassCorrupt means what was read back differs from what was written.
	ClassCorrupt Class = "Corrupt"
	// ClassLockIgnored means the store took a lock and shows another one, or none.
	ClassLockIgnored Class = "LockIgnored"
	// ClassStoreFailed means the store answered with another error.
	ClassStoreFailed Class = "StoreFailed"
	// ClassInternal means the request was never made.
	ClassInternal Class = "Internal"
)

// Error of a store.
type Error struct {
	Store  string
	Class  Class
	action string
	cause  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("store %s: %s: %s: %v", e.Store, e.action, e.Class, e.cause)
}

func (e *Error) Unwrap() error { return e.cause }

// ClassOf gives the class of an error, ClassInternal when no store made it.
func ClassOf(err error) Class {
	var classified *Error
	if errors.As(err, &classified) {
		return classified.Class
	}
	return ClassInternal
}

// Corrupt is the error of a copy that differs from what was written.
func Corrupt(store, key string) error {
	return &Error{Store: store, Class: ClassCorrupt, action: "reading back " + key, cause: errors.New("it differs from what was written")}
}

// LockIgnored is the error of a copy whose lock is not the one that was asked for.
func LockIgnored(store, key string) error {
	return &Error{Store: store, Class: ClassLockIgnored, action: "reading back the lock of " + key, cause: errors.New("the store shows another lock than was asked for, or none")}
}

func (c *Client) wrap(action string, err error) error {
	if err == nil {
		return nil
	}
	var classified *Error
	if errors.As(err, &classified) {
		return err
	}
	return &Error{Store: c.config.Name, Class: classify(err), action: action, cause: err}
}

func classify(err error) Class {
	var certificate *tls.CertificateVerificationError
	var response *awshttp.ResponseError
	var api smithy.APIError
	var canceled *aws.RequestCanceledError
	var network net.Error
	switch {
	case errors.As(err, &certificate):
		return ClassCertificateInvalid
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return ClassTimeout
	case errors.As(err, &response):
		return classifyStatus(response.HTTPStatusCode())
	case errors.As(err, &api):
		return ClassStoreFailed
	case errors.As(err, &network) && network.Timeout():
		return ClassTimeout
	case errors.As(err, &network):
		return ClassUnreachable
	}
	return ClassStoreFailed
}

func classifyStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ClassAccessDenied
	case http.StatusNotFound:
		return ClassNotFound
	case 0:
		return ClassUnreachable
	}
	return ClassStoreFailed
}
