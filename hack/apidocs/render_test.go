// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"
)

func printed(t *testing.T) string {
	t.Helper()
	crds, err := readCRDs("../../" + crdFiles)
	if err != nil {
		t.Fatal(err)
	}
	conditions, err := readConstants("../../" + conditionsFile)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	render(&out, crds, conditions)
	return out.String()
}

func TestTheReferenceIsTheSameEachTime(t *testing.T) {
	first := printed(t)
	for range 10 {
		if printed(t) != first {
			t.Fatal("two runs over the same CRDs print different references")
		}
	}
}

func TestEveryLinkOfTheReferenceLeadsToAHeading(t *testing.T) {
	text, headings := printed(t), map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		fragment := anchor(heading[1])
		if headings[fragment] {
			t.Errorf("two headings have the fragment %s, so a link to one leads to the other", fragment)
		}
		headings[fragment] = true
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if !headings[link[1]] {
			t.Errorf("a link leads to %s, which no heading is", link[1])
		}
	}
}

func TestTheReferenceSaysWhatAFieldNeeds(t *testing.T) {
	text := printed(t)
	for why, line := range map[string]string{
		"a required field":     "| `processingAgreement` | [object](#bookingtenant-specprocessingagreement) | **required**<br>",
		"a default":            "Default: `Retain`.",
		"an enumeration":       "One of `Retain`, `Delete`.",
		"a bound":              "1 to 20.",
		"a sentence":           "*Write a date as YYYY-MM-DD, such as 2026-05-31.*",
		"a schedule's stars":   `such as '15 2 \* \* \*'`,
		"a type of Kubernetes": "| `podSelector` | LabelSelector | **required**<br>",
		"a reason":             "| `PolicyExceedsProcessor` | A processor of the region",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the reference lacks %s: %s", why, line)
		}
	}
}

func TestEveryFieldAndConstantIsDescribed(t *testing.T) {
	for _, line := range strings.Split(printed(t), "\n") {
		if strings.HasPrefix(line, "| ") && (strings.HasSuffix(line, "|  |") || strings.Contains(line, "| **required** |")) {
			t.Errorf("nothing is said of %s", line)
		}
	}
}
