// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// limits puts the plain bounds of a field into words.
func limits(s *schema) []string {
	var words []string
	if len(s.Enum) > 0 {
		values := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			values[i] = "`" + strings.Trim(string(value.Raw), `"`) + "`"
		}
		words = append(words, "one of "+strings.Join(values, ", "))
	}
	words = append(words, span(number(s.Minimum), number(s.Maximum), "")...)
	words = append(words, span(s.MinLength, s.MaxLength, " characters")...)
	words = append(words, span(s.MinItems, s.MaxItems, " items")...)
	words = append(words, span(s.MinProperties, s.MaxProperties, " entries")...)
	if s.XListType != nil && *s.XListType == "set" {
		words = append(words, "no item twice")
	}
	if len(s.XListMapKeys) > 0 {
		words = append(words, "each `"+strings.Join(s.XListMapKeys, "` and `")+"` once")
	}
	if s.Items != nil && s.Items.Schema != nil && len(s.Items.Schema.Properties) == 0 {
		for _, limit := range limits(s.Items.Schema) {
			words = append(words, "each item "+limit)
		}
	}
	return words
}

func number(bound *float64) *int64 {
	if bound == nil {
		return nil
	}
	whole := int64(*bound)
	return &whole
}

// span words a lower and an upper bound; a lower bound of zero says nothing.
func span(least, most *int64, unit string) []string {
	text := func(n *int64) string { return strconv.FormatInt(*n, 10) }
	switch {
	case least != nil && most != nil && *least > 0:
		return []string{fmt.Sprintf("%s to %s%s", text(least), text(most), unit)}
	case most != nil:
		return []string{"at most " + text(most) + unit}
	case least != nil && *least > 0:
		return []string{"at least " + text(least) + unit}
	}
	return nil
}
