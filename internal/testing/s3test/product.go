// SPDX-License-Identifier: Apache-2.0

package s3test

import (
	"testing"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
)

// Settings are what a job is told of the store, and that its objects lie under a prefix.
func (s *Store) Settings(prefix string) settings.Store {
	return settings.Store{
		Name: s.Name, Endpoint: s.Endpoint, Bucket: s.Bucket, SigningRegion: Region, CABundle: s.CABundle, Prefix: prefix,
	}
}

// Config is what the product's client of the store is made from, with the administrator's rights.
func (s *Store) Config() objectstore.Config {
	return objectstore.Config{Store: s.Settings(""), AccessKeyID: s.AdminKeyID, SecretAccessKey: s.AdminSecret}
}

// Objects is the product's client of the store, with the administrator's rights.
func (s *Store) Objects(tb testing.TB) *objectstore.Client {
	tb.Helper()
	client, err := objectstore.New(s.Config())
	check(tb, err)
	return client
}
