// SPDX-License-Identifier: Apache-2.0

// Package concept prints a RetentionPolicy as a deletion concept after DIN 66398 and ISO/IEC 27555, which a data
// protection officer can sign: what is enforced and what is on paper come from the same object (invariant 8).
package concept

import (
	"fmt"
	"io"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Print writes the policy in Markdown; language is de or en. What the policy's authors wrote is printed as written.
func Print(w io.Writer, policy *v1alpha1.RetentionPolicy, language string) error {
	words, known := languages[language]
	if !known {
		return fmt.Errorf("there is no language %q for deletion concepts: use de or en", language)
	}
	spec := &policy.Spec
	var text strings.Builder
	say := func(format string, arguments ...any) { fmt.Fprintf(&text, format+"\n", arguments...) }
	say("# %s: %s\n", words.title, policy.Name)
	say("%s: %s  \n%s: %s  \n%s: %d\n", words.regime, cell(spec.Regime), words.basis, cell(spec.LegalBasis), words.revision, policy.Generation)
	say("## %s\n", words.rules)
	say("| %s |", strings.Join(words.columns, " | "))
	say("|%s", strings.Repeat("---|", len(words.columns)))
	for _, rule := range spec.Rules {
		say("| %s |", strings.Join([]string{
			words.of(string(rule.Category)), cell(rule.DeletionClass), words.of(string(rule.StartEvent)), words.period(rule.Period),
			words.action(&rule), cell(rule.Justification), cell(rule.Responsible), cell(string(rule.ApprovedOn)),
		}, " | "))
	}
	say("\n## %s\n", words.copies)
	say(words.backup, words.period(spec.Backup.Period), cell(spec.Backup.DeletionClass), cell(spec.Backup.Justification))
	say("\n## %s\n", words.enforcement)
	say(words.purge, cell(string(spec.Enforcement.Schedule)), cell(spec.Enforcement.TimeZone), words.period(spec.Tolerance))
	if every := spec.Enforcement.RewriteStorageEvery; every != nil {
		say(words.rewrite, words.period(*every))
	}
	if pause := spec.Suspension; pause != nil {
		say("\n**"+words.paused+"**", pause.Until.UTC().Format("2006-01-02 15:04 MST"), cell(pause.Reason))
	}
	if len(policy.Status.History) > 0 {
		say("\n## %s\n", words.history)
		for _, change := range policy.Status.History {
			say("- %s: %s %s → %s %s", change.At.UTC().Format("2006-01-02"), words.of(string(change.Category)), words.period(change.From),
				words.period(change.To), cell(change.Reason))
		}
	}
	say("\n## %s\n\n%s", words.signature, words.lines)
	_, err := io.WriteString(w, text.String())
	return err
}

// cell keeps what people wrote inside its cell.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;").Replace(text)
}
