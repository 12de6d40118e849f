// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/settings"
)

// opened is an address that answers, closed one that refuses.
func opened(tb testing.TB) (address string) {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func closed(tb testing.TB) (address string) {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	_ = listener.Close()
	return listener.Addr().String()
}

func reported(tb testing.TB, e *egress) (report settings.EgressReport) {
	tb.Helper()
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, settings.EgressPath, http.NoBody))
	if err := json.Unmarshal(recorder.Body.Bytes(), &report); err != nil {
		tb.Fatal(err)
	}
	return report
}

// A11: the API server of the cluster, which every pod knows, and what the region names beside are tried.
func TestAnInstanceTellsWhatAnsweredIt(t *testing.T) {
	apiServer, declared, other, gone := opened(t), opened(t), opened(t), closed(t)
	host, port, err := net.SplitHostPort(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	e := &egress{declared: func() string { return declared }, undeclared: func() []string { return []string{gone, other} }}
	if before := reported(t, e); before.AgeSeconds >= 0 || before.Tried != 0 {
		t.Errorf("before it tried anything it tells %+v", before)
	}
	e.try(t.Context())
	if found := reported(t, e); !found.Declared || found.Tried != 3 || found.AgeSeconds < 0 || !slices.Equal(found.Open, []string{apiServer, other}) {
		t.Errorf("it tells %+v", found)
	}

	// A plugin that has just learned of the pod: the address answered once.
	late, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if conn, err := late.Accept(); err == nil {
			_ = errors.Join(conn.Close(), late.Close())
		}
	}()
	e.undeclared, e.doubt = func() []string { return []string{late.Addr().String()} }, 200*time.Millisecond
	e.try(t.Context())
	if found := reported(t, e); found.Tried != 2 || !slices.Equal(found.Open, []string{apiServer}) {
		t.Errorf("of one that answered no second time it tells %+v", found)
	}

	t.Setenv("KUBERNETES_SERVICE_PORT", "")
	e.declared, e.undeclared = func() string { return gone }, func() []string { return []string{gone} }
	e.try(t.Context())
	if found := reported(t, e); found.Declared || found.Tried != 1 || len(found.Open) != 0 {
		t.Errorf("where nothing answers it tells %+v", found)
	}
}
