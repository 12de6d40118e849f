// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// The site reads its settings from a ConfigMap and publishes the notice as JSON; neither may change what it says.
func TestTheNoticeKeepsItsHashOnItsWayToTheReader(t *testing.T) { // invariant 8
	planned := mustBuild(t, soundInput(t)).Instance.Settings
	raw, err := json.Marshal(planned)
	if err != nil {
		t.Fatal(err)
	}
	var served settings.Instance
	if err := json.Unmarshal(raw, &served); err != nil {
		t.Fatal(err)
	}
	if raw, err = json.Marshal(settings.NoticeDocument{PlanHash: served.PlanHash, Notice: served.Notice}); err != nil {
		t.Fatal(err)
	}
	var read settings.NoticeDocument
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if read.PlanHash != planned.PlanHash || plan.Hash(read.Notice) != plan.Hash(planned.Notice) {
		t.Errorf("an honest site is found to publish something else")
	}
}
