// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

func newClient(t *testing.T, c objectstore.Config) *objectstore.Client {
	t.Helper()
	client, err := objectstore.New(c)
	must(t, err)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, client *objectstore.Client, key, content string) {
	t.Helper()
	must(t, client.Put(t.Context(), key, "", bytes.NewReader([]byte(content))))
}

func get(t *testing.T, client *objectstore.Client, key string) []byte {
	t.Helper()
	content, err := client.Get(t.Context(), key)
	must(t, err)
	defer func() { _ = content.Close() }()
	all, err := io.ReadAll(content)
	must(t, err)
	return all
}

func versions(t *testing.T, client *objectstore.Client, prefix string) (found []objectstore.Version) {
	t.Helper()
	must(t, client.ListVersions(t.Context(), prefix, func(v objectstore.Version) error {
		found = append(found, v)
		return nil
	}))
	return found
}

// content that no compression makes smaller, the same each time.
func content(size int) []byte {
	generator := rand.NewChaCha8([32]byte{1})
	data := make([]byte, size)
	_, _ = generator.Read(data)
	return data
}

// hoursAgo is a snapshot start as keys carry it: whole seconds, UTC.
func hoursAgo(hours int) time.Time {
	return time.Now().Add(-time.Duration(hours) * time.Hour).UTC().Truncate(time.Second)
}
