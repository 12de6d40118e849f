// SPDX-License-Identifier: Apache-2.0

// Package docs_test holds the documentation to what there is: links lead somewhere, targets of make exist, every reason
// is explained, and the API server takes every example.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../.."

// pages gives the text of every page by its path in the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	read := func(path string) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(repository, path)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(raw)
	}
	top, err := filepath.Glob(filepath.Join(repository, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range top {
		read(path)
	}
	err = filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 15 {
		t.Fatalf("only %d pages found", len(found))
	}
	return found
}

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(repository, path)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, match[1])
				continue
			}
			if anchor != "" && strings.HasSuffix(path, ".md") && !hasAnchor(all[path], anchor) {
				t.Errorf("%s links to %s: there is no such heading", page, match[1])
			}
		}
	}
}

// hasAnchor tells whether a heading gets the anchor on GitHub.
func hasAnchor(text, anchor string) bool {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		if strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestEveryPageIsReachedFromTheIndex(t *testing.T) {
	all := pages(t)
	reached, queue := map[string]bool{"README.md": true}, []string{"README.md"}
	for len(queue) > 0 {
		page := queue[0]
		queue = queue[1:]
		for _, match := range link.FindAllStringSubmatch(all[page], -1) {
			target, _, _ := strings.Cut(match[1], "#")
			path := filepath.Join(filepath.Dir(page), target)
			if _, exists := all[path]; exists && !reached[path] {
				reached[path] = true
				queue = append(queue, path)
			}
		}
	}
	for page := range all {
		if !reached[page] {
			t.Errorf("no link leads to %s", page)
		}
	}
}

func TestEveryMakeTargetExists(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(raw), -1) {
		targets[match[1]] = true
	}
	// A command stands at the start of a line of code, or right behind a backtick.
	command := regexp.MustCompile("(?m)(?:^ {4,}|`)make ([a-z0-9-]+)")
	seen := 0
	for page, text := range pages(t) {
		for _, match := range command.FindAllStringSubmatch(text, -1) {
			seen++
			if !targets[match[1]] {
				t.Errorf("%s speaks of make %s, which does not exist", page, match[1])
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d targets were found in the pages", seen)
	}
}

func TestEveryConditionAndReasonIsExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, "api/v1alpha1/conditions.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	page := pages(t)["docs/kinds/bookingtenant.md"]
	elsewhere := pages(t)["docs/kinds/retentionpolicy.md"] + pages(t)["docs/kinds/dataregion.md"] + pages(t)["docs/kinds/deletioncertificate.md"] + pages(t)["docs/kinds/tenantrestore.md"]
	seen := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value := strings.Trim(literal.Value, `"`)
		seen++
		if strings.HasPrefix(spec.Names[0].Name, "Reason") && !strings.Contains(page+elsewhere, "`"+value+"`") || !strings.Contains(page+elsewhere, value) {
			t.Errorf("%s (%q) is explained nowhere in docs/kinds", spec.Names[0].Name, value)
		}
		return true
	})
	if seen < 30 {
		t.Errorf("only %d conditions and reasons were found", seen)
	}
}

func TestNoPageSpeaksOfTheMachineItWasWrittenOn(t *testing.T) {
	for page, text := range pages(t) {
		for _, word := range []string{"/" + "work/", "/" + "root/"} {
			if strings.Contains(text, word) {
				t.Errorf("%s speaks of %s", page, word)
			}
		}
	}
}
