// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// page is what matters of an HTML page.
type page struct {
	// links are where it leads, loads what a browser fetches for it by itself, or where it sends forms.
	links, loads []string
	// languages are the links to itself in other languages.
	languages []string
	ids       []string
	text      string
}

// inStyle finds what style sheets load.
var inStyle = regexp.MustCompile(`url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)`)

func parse(raw []byte) (*page, error) {
	root, err := html.Parse(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading HTML: %w", err)
	}
	p := &page{}
	var text strings.Builder
	for node := range root.Descendants() {
		switch node.Type {
		case html.ElementNode:
			p.element(node)
		case html.TextNode:
			if node.Parent != nil && (node.Parent.Data == "style" || node.Parent.Data == "script") {
				p.style(node.Data)
				continue
			}
			text.WriteString(node.Data + " ")
		}
	}
	p.text = strings.Join(strings.Fields(text.String()), " ")
	return p, nil
}

func (p *page) element(node *html.Node) {
	attributes := map[string]string{}
	for _, attribute := range node.Attr {
		attributes[attribute.Key] = strings.TrimSpace(attribute.Val)
	}
	if id := attributes["id"]; id != "" {
		p.ids = append(p.ids, id)
	}
	p.style(attributes["style"])
	href, linked := attributes["href"]
	switch {
	case node.Data == "a" && linked:
		p.links = append(p.links, href)
		if attributes["hreflang"] != "" {
			p.languages = append(p.languages, href)
		}
	case node.Data == "link" && linked && !passive(attributes["rel"]):
		p.loads = append(p.loads, href)
	}
	for _, name := range []string{"src", "action", "formaction", "data", "poster", "ping", "background"} {
		if source := attributes[name]; source != "" && (name != "data" || node.Data == "object") {
			p.loads = append(p.loads, source)
		}
	}
	for _, candidate := range strings.Split(attributes["srcset"], ",") {
		if fields := strings.Fields(candidate); len(fields) > 0 {
			p.loads = append(p.loads, fields[0])
		}
	}
}

// passive tells of a link element that fetches nothing by itself.
func passive(rel string) bool {
	switch strings.ToLower(rel) {
	case "alternate", "canonical", "author", "license", "help", "next", "prev":
		return true
	}
	return false
}

func (p *page) style(sheet string) {
	for _, match := range inStyle.FindAllStringSubmatch(sheet, -1) {
		p.loads = append(p.loads, match[1]+match[2])
	}
}
