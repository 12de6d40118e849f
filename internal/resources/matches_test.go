// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/termintreu/termintreu/internal/resources"
)

// liveOf is what a client reads back once the object was applied: typed, with defaults and a status of others.
func liveOf(t *testing.T, o resources.Object) runtime.Object {
	t.Helper()
	live, err := scheme.Scheme.New(o.GVK)
	if err != nil {
		t.Fatal(err)
	}
	convert(t, o.Config, live)
	scheme.Scheme.Default(live)
	return live
}

func unstructuredOf(t *testing.T, live any) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	convert(t, live, &u.Object)
	return u
}

func TestEveryObjectMatchesItselfAsReadBack(t *testing.T) {
	all := append(resources.Objects(servedPlan(), credentials()), resources.Objects(plainPlan(), credentials())...)
	all = append(all, resources.RegionObjects(resources.PlanRegion(region()))...)
	for _, o := range all {
		live := liveOf(t, o)
		if !resources.Matches(o.Config, live) {
			t.Errorf("%s %s does not match its typed self", o.GVK.Kind, o.Name)
		}
		if !resources.Matches(o.Config, unstructuredOf(t, live)) {
			t.Errorf("%s %s does not match its unstructured self", o.GVK.Kind, o.Name)
		}
	}
}

// Every single field the operator owns is changed in turn; each change must be noticed.
func TestEveryDriftOfAnOwnedFieldIsNoticed(t *testing.T) {
	all := append(resources.Objects(servedPlan(), credentials()), resources.RegionObjects(resources.PlanRegion(region()))...)
	for _, o := range all {
		var desired map[string]any
		convert(t, o.Config, &desired)
		delete(desired, "apiVersion")
		delete(desired, "kind")
		visit(desired, "", func(path string, change func() (undo func())) {
			undo := change()
			defer undo()
			live := unstructuredOf(t, desired)
			if resources.Matches(o.Config, live) {
				t.Errorf("%s %s: a change of %s goes unnoticed", o.GVK.Kind, o.Name, path)
			}
		})
	}
}

// visit calls do for every scalar and every list of a tree, with a way to change it.
func visit(node any, path string, do func(path string, change func() func())) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			do(path+"."+key+" (removed)", func() func() {
				delete(n, key)
				return func() { n[key] = value }
			})
			if other, scalar := another(value); scalar {
				do(path+"."+key, func() func() {
					n[key] = other
					return func() { n[key] = value }
				})
			}
			visit(value, path+"."+key, do)
		}
	case []any:
		for i, value := range n {
			if other, scalar := another(value); scalar {
				do(path+"[]", func() func() {
					n[i] = other
					return func() { n[i] = value }
				})
			}
			visit(value, path+"[]", do)
		}
	}
}

func another(value any) (any, bool) {
	switch v := value.(type) {
	case bool:
		return !v, true
	case float64:
		return v + 1, true
	case string:
		return "x" + v, true
	}
	return nil, false
}

func TestMatchesComparesByMeaning(t *testing.T) {
	for _, test := range []struct {
		name, desired, live string
		want                bool
	}{
		{"a label of somebody else is none of ours",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"a":"1"}}}`, `{"metadata":{"labels":{"a":"1","b":"2"}}}`, true},
		{"a label of ours that changed is drift",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"a":"1"}}}`, `{"metadata":{"labels":{"a":"2"}}}`, false},
		{"quantities are compared by value",
			`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","resources":{"limits":{"memory":"1024Mi","cpu":"1000m"}}}]}}`,
			`{"spec":{"containers":[{"name":"a","resources":{"limits":{"memory":"1Gi","cpu":"1"}}}]}}`, true},
		{"another quantity is drift",
			`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1"}}}]}}`,
			`{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"2"}}}]}}`, false},
		{"stringData is compared with data",
			`{"apiVersion":"v1","kind":"Secret","stringData":{"password":"secret"}}`, `{"data":{"password":"c2VjcmV0"}}`, true},
		{"other data is drift",
			`{"apiVersion":"v1","kind":"Secret","stringData":{"password":"secret"}}`, `{"data":{"password":"b3RoZXI="}}`, false},
		{"a port's name is not its number",
			`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80,"targetPort":"8080"}]}}`, `{"spec":{"ports":[{"port":80,"targetPort":8080}]}}`, false},
		{"one port more is drift",
			`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80}]}}`, `{"spec":{"ports":[{"port":80},{"port":81}]}}`, false},
		{"a false that the type leaves out is still owned",
			`{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":false,"containers":[]}}`, `{"spec":{"hostNetwork":true}}`, false},
		{"a false that the type leaves out matches its absence",
			`{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":false}}`, `{"spec":{}}`, true},
		{"a false behind a pointer is no default",
			`{"apiVersion":"v1","kind":"ServiceAccount","automountServiceAccountToken":false}`, `{}`, false},
		{"an unknown kind matches nothing",
			`{"apiVersion":"example.org/v1","kind":"Thing"}`, `{}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := resources.Matches(json.RawMessage(test.desired), json.RawMessage(test.live)); got != test.want {
				t.Errorf("%s against %s: %v", test.desired, test.live, got)
			}
		})
	}
}

func FuzzMatchesNeverPanics(f *testing.F) {
	f.Add(`{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"}}`, `{"data":{"a":"b"}}`)
	f.Add(`{"apiVersion":"v1","kind":"Secret","stringData":{"a":""}}`, `null`)
	f.Add(`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":0}}`, `{"spec":{"replicas":1}}`)
	f.Fuzz(func(t *testing.T, desired, live string) {
		resources.Matches(json.RawMessage(desired), json.RawMessage(live))
	})
}
