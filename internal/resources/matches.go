// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Matches tells whether every field of a desired apply configuration has the same value in the live object, so that
// applying it would change nothing. A no-op server-side apply costs the API server as much as a create; none must be
// sent in steady state (invariant 9). What others own is not looked at: maps are compared as subsets. Lists must have
// the same length and order. Quantities are compared by value, and a Secret's stringData with its data.
//
// Both may be apply configurations, typed objects or unstructured ones of a built-in kind; the kind is read from
// desired. An object that cannot be read matches nothing, since applying once too often is the safe side.
func Matches(desired, live any) bool {
	raw, err := tree(desired)
	if err != nil {
		return false
	}
	foldStringData(raw)
	// Both sides take the way through the Go type, which writes quantities in one form and drops what is no field.
	normal, err := normalise(raw, raw)
	if err != nil {
		return false
	}
	measured, err := tree(live)
	if err != nil {
		return false
	}
	if measured, err = normalise(raw, measured); err != nil {
		return false
	}
	// A typed object read through a client carries no kind, and what a status says is nobody's wish.
	for _, key := range []string{"apiVersion", "kind", "status"} {
		delete(raw, key)
	}
	return contains(raw, normal, measured)
}

func tree(value any) (map[string]any, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(encoded, &out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, fmt.Errorf("no object")
	}
	return out, nil
}

// normalise sends a tree through the Go type of the kind that desired names.
func normalise(desired, value map[string]any) (map[string]any, error) {
	version, _ := desired["apiVersion"].(string)
	kind, _ := desired["kind"].(string)
	typed, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(version, kind))
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", version, kind, err)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(encoded, typed); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", version, kind, err)
	}
	return tree(typed)
}

// foldStringData does what the API server does with a Secret's stringData.
func foldStringData(raw map[string]any) {
	plain, found := raw["stringData"].(map[string]any)
	if !found || raw["kind"] != "Secret" {
		return
	}
	data, _ := raw["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	for key, value := range plain {
		text, _ := value.(string)
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	raw["data"] = data
	delete(raw, "stringData")
}

// contains compares what raw names: normal holds its value in normal form, live what was found.
func contains(raw, normal, live any) bool {
	switch r := raw.(type) {
	case nil:
		return true
	case map[string]any:
		n, isMap := normal.(map[string]any)
		l, found := live.(map[string]any)
		return isMap && found && containsMap(r, n, l)
	case []any:
		n, isList := normal.([]any)
		l, found := live.([]any)
		if !isList || !found || len(n) != len(r) || len(l) != len(r) {
			return false
		}
		for i := range r {
			if !contains(r[i], n[i], l[i]) {
				return false
			}
		}
		return true
	default:
		return normal == live
	}
}

func containsMap(raw, normal, live map[string]any) bool {
	for key, value := range raw {
		n, kept := normal[key]
		l, found := live[key]
		switch {
		case !kept && !isZero(value):
			// The Go type does not know the field, so nobody can say what the live object holds.
			return false
		case !kept:
			// The Go type leaves a zero value out; the live object must have left it out too, or hold a zero.
			if found && !isZero(l) {
				return false
			}
		case !found || !contains(value, n, l):
			return false
		}
	}
	return true
}

func isZero(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
