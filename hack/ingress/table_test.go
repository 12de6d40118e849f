// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/url"
	"testing"
)

func TestMatchPrefersTheMoreSpecificHost(t *testing.T) {
	to := func(name string) *url.URL { return &url.URL{Host: name} }
	routes := []route{
		{host: "a.localhost", path: "/x", exact: true, target: to("exact")},
		{host: "a.localhost", path: "/api", target: to("api")},
		{host: "a.localhost", path: "/", target: to("root")},
		{host: "*.localhost", path: "/", target: to("wildcard")},
		{path: "", target: to("any")},
	}
	for request, want := range map[[2]string]string{
		{"a.localhost:8080", "/x"}:     "exact",
		{"A.localhost", "/api/v1"}:     "api",
		{"a.localhost", "/apis"}:       "root",
		{"b.localhost:8443", "/"}:      "wildcard",
		{"127.0.0.1:8080", "/index"}:   "any",
		{"deep.b.localhost", "/other"}: "any",
	} {
		got := match(routes, request[0], request[1])
		if got == nil || got.Host != want {
			t.Errorf("%v: got %v, want %s", request, got, want)
		}
	}
}
