// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/internal/resources"
)

// B2: what talks to the database can make no backup go, and what deletes backups cannot read the database.
func TestEachJobGetsItsOwnIdentityAndNoOthers(t *testing.T) {
	p := archivingPlan()
	for name, c := range map[string]struct {
		secret, job any
		has, lacks  []string
	}{
		"backup": {
			resources.BackupSecret(p, credentials()), resources.BackupCronJob(p),
			[]string{"zug-writer", "zug-writes", "backup-password"}, []string{"zug-keeper", "zug-keeps"},
		},
		"archive": {
			resources.ArchiveSecret(p, credentials()), resources.ArchiveCronJob(p),
			[]string{"statutory-writer", "statutory-writes", "archive-password"}, []string{"statutory-keeper", "statutory-keeps", "zug-writes", "retention-password"},
		},
		"expiry": {
			resources.ExpirySecret(p, credentials()), resources.ExpiryCronJob(p),
			[]string{"zug-keeper", "zug-keeps", "statutory-keeps"}, []string{"zug-writer", "zug-writes", "backup-password", "statutory-writes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			secret, err := yaml.Marshal(c.secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.has {
				if !strings.Contains(string(secret), base64Of(want)) {
					t.Errorf("the Secret lacks %s", want)
				}
			}
			for _, foreign := range c.lacks {
				if strings.Contains(string(secret), base64Of(foreign)) {
					t.Errorf("the Secret holds %s", foreign)
				}
			}
			job, err := yaml.Marshal(c.job)
			if err != nil {
				t.Fatal(err)
			}
			other := map[string]string{"backup": resources.ExpiryName(p), "archive": resources.ExpiryName(p), "expiry": "secretName: " + resources.BackupName(p)}[name]
			if strings.Contains(string(job), other) {
				t.Errorf("the job mounts %s", other)
			}
		})
	}
}
