// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
)

func TestWhatWasFoundAsWishedIsComparedAgainOnceEitherChanges(t *testing.T) {
	wish := func(value string) *applycorev1.ConfigMapApplyConfiguration {
		return applycorev1.ConfigMap("settings", "authority").WithData(map[string]string{"key": value})
	}
	live := func(uid types.UID, version, value string) *corev1.ConfigMap {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "authority", Name: "settings", UID: uid, ResourceVersion: version},
			Data:       map[string]string{"key": value},
		}
	}
	m := &matched{}
	// One after the other, as a reconciler meets them.
	for _, step := range []struct {
		what string
		wish string
		live *corev1.ConfigMap
		want bool
	}{
		{"as wished", "a", live("1", "10", "a"), true},
		{"the same again", "a", live("1", "10", "a"), true},
		{"somebody changed it", "a", live("1", "11", "b"), false},
		{"and once more", "a", live("1", "11", "b"), false},
		{"changed back", "a", live("1", "12", "a"), true},
		{"another wish", "b", live("1", "12", "a"), false},
		{"the first wish", "a", live("1", "12", "a"), true},
		{"made anew with another content", "a", live("2", "12", "b"), false},
	} {
		if got := m.is(wish(step.wish), step.live); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
	}
	// What the cache says a version holds is believed: it is what saves the comparison.
	if !m.is(wish("a"), live("1", "12", "never looked at")) {
		t.Error("a version that was found as wished is compared again")
	}
	for i := range maxMatched {
		m.found[uint64(i)] = 0
	}
	if !m.is(wish("a"), live("3", "12", "a")) || len(m.found) != 1 {
		t.Errorf("%d objects are remembered after the memory was full", len(m.found))
	}
}
