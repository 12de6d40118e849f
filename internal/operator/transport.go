// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"net/http"
	"strings"
)

// impatient gives an eviction that a budget blocks back at once. The client would wait as long as the API server
// proposes and ask again, ten times over, with a worker of a thousand tenants in its hand; the reconciler reports the
// blocked eviction first and has a rhythm of its own.
type impatient struct{ next http.RoundTripper }

func (t impatient) RoundTrip(q *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(q)
	if err == nil && response.StatusCode == http.StatusTooManyRequests && strings.HasSuffix(q.URL.Path, "/eviction") {
		response.Header.Del("Retry-After")
	}
	return response, err
}
