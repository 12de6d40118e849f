// SPDX-License-Identifier: Apache-2.0

// Package objectstore speaks to the region's S3 object stores: streaming writes with constant memory, reads, listings
// of every version, and identities that reach one tenant's prefix only. What a store claims is never believed; callers
// read back.
package objectstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/termintreu/termintreu/internal/settings"
)

// DefaultTimeout bounds one request, retries included; a transfer of any size may last as long as none of its parts
// takes longer.
const DefaultTimeout = time.Minute

// defaultRegion is what stores without regions expect requests to be signed for.
const defaultRegion = "us-east-1"

// Config of a client. Only Store and the credentials are needed.
type Config struct {
	settings.Store
	AccessKeyID, SecretAccessKey string
	// Timeout bounds one request; DefaultTimeout when zero.
	Timeout time.Duration
	// DialContext replaces the default dialer, for callers inside another network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// PageSize is how many versions one listing call asks for; the store's own limit (1,000) when zero.
	PageSize int32
}

// Client of one bucket at one store, safe for concurrent use.
type Client struct {
	config Config
	s3     *s3.Client
	http   *http.Client
	clock  atomic.Pointer[time.Duration]

	connection connection
}

// New makes a client; it does not connect. Connections are encrypted and verified with the store's CA bundle, or the
// system's when there is none (B4).
func New(config Config) (*Client, error) {
	endpoint, err := url.Parse(config.Endpoint)
	if err != nil || endpoint.Scheme != "https" || endpoint.Host == "" {
		return nil, fmt.Errorf("store %s: give the endpoint as an https:// URL: backups travel over encrypted connections only", config.Name)
	}
	if config.Bucket == "" || config.AccessKeyID == "" || config.SecretAccessKey == "" {
		return nil, fmt.Errorf("store %s: bucket, access key id and secret access key are needed", config.Name)
	}
	config.Endpoint = strings.TrimRight(config.Endpoint, "/")
	if config.SigningRegion == "" {
		config.SigningRegion = defaultRegion
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	transport, err := newTransport(config)
	if err != nil {
		return nil, err
	}
	c := &Client{config: config}
	c.http = &http.Client{Transport: observed{transport, &c.clock}}
	c.connection.watch(transport)
	c.s3 = s3.New(s3.Options{
		BaseEndpoint: aws.String(config.Endpoint), Region: config.SigningRegion, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(c.credentials), HTTPClient: c.http,
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second/2 }),
		// Our own SHA-256 over what is read back says more than a store's checksum of what it received.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Logger:                     logging.Nop{},
	})
	return c, nil
}

func newTransport(config Config) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if config.CABundle != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(config.CABundle)) {
			return nil, fmt.Errorf("store %s: the CA bundle holds no PEM certificate", config.Name)
		}
	}
	dial := config.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	// No proxy: personal data goes to the store and nowhere else.
	return &http.Transport{
		DialContext: dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: false,
		// Small buffers: several stores are written to at once in 64 MiB.
		WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}, nil
}

func (c *Client) credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: c.config.AccessKeyID, SecretAccessKey: c.config.SecretAccessKey}, nil
}

// Name of the store.
func (c *Client) Name() string { return c.config.Name }

// Prefix of the store the client's identity reaches; empty for an administrator.
func (c *Client) Prefix() string { return c.config.Prefix }

// Versioning tells whether the bucket keeps versions, which only the store itself can say.
func (c *Client) Versioning(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	output, err := c.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &c.config.Bucket})
	if err != nil {
		return false, c.wrap("reading whether versions are kept", err)
	}
	return output.Status == "Enabled", nil
}

// Locks tells whether the bucket can lock objects.
func (c *Client) Locks(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	output, err := c.s3.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &c.config.Bucket})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ObjectLockConfigurationNotFoundError" {
		return false, nil
	}
	if err != nil {
		return false, c.wrap("reading whether objects can be locked", err)
	}
	return output.ObjectLockConfiguration != nil && output.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled, nil
}

// Clock gives the time it is now by the store's own clock, to a second, as its last answer told. ok is false before the
// first answer. A lock ends by this clock.
func (c *Client) Clock() (now time.Time, ok bool) {
	ahead := c.clock.Load()
	if ahead == nil {
		return time.Time{}, false
	}
	return time.Now().Add(*ahead), true
}

// observed is a transport that keeps how far a store's clock is ahead of this machine's.
type observed struct {
	http.RoundTripper
	clock *atomic.Pointer[time.Duration]
}

func (o observed) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if date, parseErr := http.ParseTime(response.Header.Get("Date")); parseErr == nil {
		ahead := time.Until(date)
		o.clock.Store(&ahead)
	}
	return response, nil
}
