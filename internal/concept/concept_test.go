// SPDX-License-Identifier: Apache-2.0

package concept_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/concept"
)

func sample(t *testing.T) *v1alpha1.RetentionPolicy {
	t.Helper()
	raw, err := os.ReadFile("../../config/samples/policies/basel-idg.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policy := &v1alpha1.RetentionPolicy{}
	if err := yaml.Unmarshal(raw, policy); err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestAPolicyReadsLikeADeletionConcept(t *testing.T) {
	for language, lines := range map[string][]string{
		"de": {"# Löschkonzept nach DIN 66398", "| Kontaktdaten | K-30T | Ende oder Absage des Termins | 30 Tage | Löschen |", "wird 90 Tage nach dem Beginn", "Datenschutzbeauftragte"},
		"en": {"# Deletion concept after DIN 66398", "| Contact data | K-30T | end or cancellation of the appointment | 30 days | delete |", "deleted 90 days after the start", "Data protection officer"},
	} {
		var printed bytes.Buffer
		if err := concept.Print(&printed, sample(t), language); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(printed.String(), line) {
				t.Errorf("%s: %q is missing from\n%s", language, line, &printed)
			}
		}
	}
	if err := concept.Print(&bytes.Buffer{}, sample(t), "la"); err == nil {
		t.Error("a concept was printed in a language nobody translated it to")
	}
}

// T8: what is signed says how long the archive keeps a document, and by what law.
func TestAConceptSaysUntilWhenTheArchiveKeeps(t *testing.T) {
	policy := sample(t)
	policy.Spec.Rules[0].Action, policy.Spec.Rules[0].Archive = v1alpha1.ActionArchive, &v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "§ 5 | ArchG"}
	for language, words := range map[string]string{
		"de": `behält es bis 3650 Tage nach dem Startzeitpunkt (§ 5 \| ArchG)`, "en": `keeps it until 3650 days after the start (§ 5 \| ArchG)`,
	} {
		var printed bytes.Buffer
		if err := concept.Print(&printed, policy, language); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(printed.String(), words) {
			t.Errorf("%s: %q is missing from\n%s", language, words, &printed)
		}
	}
}

func TestEveryNameOfTheAPIIsTranslated(t *testing.T) {
	policy := sample(t)
	rule := policy.Spec.Rules[0]
	policy.Spec.Rules = nil
	names := []string{"Hold", "UnconfirmedBooking", "Contact", "Appointment", "Message", "Attachment", "AccessLog", "AbuseCase", "SessionAddress",
		"SessionMetadata", "SignatureBiometrics", "Consent", "AuditLog", "ErasureJournal", "MailOutbox", "TenantData"}
	for _, name := range names {
		rule.Category = v1alpha1.Category(name)
		policy.Spec.Rules = append(policy.Spec.Rules, rule)
	}
	var printed bytes.Buffer
	if err := concept.Print(&printed, policy, "de"); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(printed.String(), "| "+name+" |") {
			t.Errorf("%s has no German name", name)
		}
	}
}

func TestWhatPeopleWroteStaysInItsCell(t *testing.T) {
	policy := sample(t)
	policy.Spec.Rules[0].Justification = "a | b\n# c"
	var printed bytes.Buffer
	if err := concept.Print(&printed, policy, "en"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(printed.String(), `a \| b # c`) {
		t.Error("a justification breaks the table")
	}
}
