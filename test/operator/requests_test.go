// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// requests records what a client asks of the API server, and can cut it off after a number of writes.
type requests struct {
	mu   sync.Mutex
	seen []request
	// writes left until the client is cut off; negative for never.
	left int
	// counts tells which writes count towards left.
	counts func(request) bool
	// cut is called once, when the answer to the last write is withheld.
	cut  func()
	dead bool
}

type request struct{ Method, Path string }

func (r request) String() string { return r.Method + " " + r.Path }

// trial stands for the method of a request that writes nothing.
const trial = "TRY"

func (r request) write() bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != trial
}

func (r request) event() bool { return strings.Contains(r.Path, "/events") }

func (r request) status() bool { return strings.HasSuffix(r.Path, "/status") }

// wrap makes a configuration whose requests are recorded.
func (r *requests) wrap(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) { return r.roundTrip(next, q) })
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

var errCutOff = errors.New("the operator was killed")

func (r *requests) roundTrip(next http.RoundTripper, q *http.Request) (*http.Response, error) {
	made := request{q.Method, q.URL.Path}
	if q.URL.Query().Has("dryRun") {
		made.Method = trial
	}
	if !r.enter(made, q) {
		return nil, errCutOff
	}
	response, err := next.RoundTrip(q)
	if r.leave(made) {
		// The API server has done it, but the operator never learns of it.
		if err == nil {
			_ = response.Body.Close()
		}
		r.cut()
		return nil, errCutOff
	}
	return response, err
}

func (r *requests) enter(made request, q *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return false
	}
	if q.URL.Query().Get("watch") == "" {
		r.seen = append(r.seen, made)
	}
	return true
}

func (r *requests) leave(made request) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut == nil || r.dead || !made.write() || !r.counts(made) {
		return false
	}
	r.left--
	r.dead = r.left == 0
	return r.dead
}

// forget starts the record anew.
func (r *requests) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

// matching gives what was recorded and fits.
func (r *requests) matching(fits func(request) bool) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.seen), func(q request) bool { return !fits(q) })
}

// table lists requests for a person to read.
func table(list []request) string {
	var out strings.Builder
	for _, q := range list {
		fmt.Fprintln(&out, " ", q)
	}
	return out.String()
}
