// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/termintreu/termintreu/hack/internal/supervisor"
	"golang.org/x/sync/errgroup"
)

// storeRegion is the region in request signatures, not a place.
const storeRegion = "us-east-1"

func (c *Cluster) storeEndpoint(name string) string {
	return "https://" + net.JoinHostPort(hostName(name), strconv.Itoa(storePort))
}

// prepareStores makes the folders and the root credentials.
func (c *Cluster) prepareStores() error {
	for _, s := range c.Spec.Stores {
		for _, file := range []string{c.accessKey(s.Name), c.secretKey(s.Name)} {
			if _, err := ensureSecret(file); err != nil {
				return err
			}
		}
		for _, dir := range []string{"objects", "versions", "sidecar", "iam"} {
			if err := os.MkdirAll(c.data("stores", s.Name, dir), 0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) storeProcesses() ([]supervisor.Process, error) {
	var processes []supervisor.Process
	for i, s := range c.Spec.Stores {
		access, err := ensureSecret(c.accessKey(s.Name))
		if err != nil {
			return nil, err
		}
		secret, err := ensureSecret(c.secretKey(s.Name))
		if err != nil {
			return nil, err
		}
		processes = append(processes, supervisor.Process{
			Name: s.Name, Inputs: digest(c.cert(s.Name)),
			Env: []string{"ROOT_ACCESS_KEY=" + access, "ROOT_SECRET_KEY=" + secret},
			Args: []string{
				c.bin["versitygw"], "--quiet", "--region", storeRegion,
				"--port", net.JoinHostPort(storeIP(i), strconv.Itoa(storePort)),
				"--cert", c.cert(s.Name), "--key", c.key(s.Name), "--iam-dir", c.data("stores", s.Name, "iam"),
				// File attributes hold 4 KiB, a policy for seven tenants; files of their own hold any.
				"posix", "--sidecar", c.data("stores", s.Name, "sidecar"),
				"--versioning-dir", c.data("stores", s.Name, "versions"), c.data("stores", s.Name, "objects"),
			},
		})
	}
	return processes, nil
}

// provisionStores makes the bucket for backups in each store.
func (c *Cluster) provisionStores(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range c.Spec.Stores {
		group.Go(func() error {
			if err := c.provisionStore(ctx, s.Name); err != nil {
				return fmt.Errorf("%s (see %s): %w", s.Name, c.file("logs", s.Name+".log"), err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *Cluster) provisionStore(ctx context.Context, name string) error {
	client, err := c.S3(name)
	if err != nil {
		return err
	}
	return eventually(ctx, time.Minute, func() error {
		_, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(backupBucket)})
		var missing *types.NotFound
		if !errors.As(err, &missing) {
			return err
		}
		// Object lock, which implies versioning, can only be had at birth.
		_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{
			Bucket: aws.String(backupBucket), ObjectLockEnabledForBucket: aws.Bool(true),
		})
		return err
	})
}

// S3 returns a client with the root credentials of the named store.
func (c *Cluster) S3(name string) (*s3.Client, error) {
	access, err := os.ReadFile(c.accessKey(name))
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(c.secretKey(name))
	if err != nil {
		return nil, err
	}
	client, err := c.HTTPClient()
	if err != nil {
		return nil, err
	}
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(c.storeEndpoint(name)), Region: storeRegion, UsePathStyle: true, HTTPClient: client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: string(access), SecretAccessKey: string(secret)}, nil
		}),
	}), nil
}

// HTTPClient returns a client that is inside the cluster's network, resolves
// the names of the services outside the cluster, and trusts its authority only.
func (c *Cluster) HTTPClient() (*http.Client, error) {
	ca, err := os.ReadFile(c.file("ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", c.file("ca.crt"))
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:         c.Dial,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
	}}, nil
}
