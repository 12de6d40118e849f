// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensionsv1.JSONSchemaProps

const preface = `<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by make generate from config/crd/bases and api/v1alpha1; do not edit. -->
# API reference

Every field of the kinds of %s, as the API server holds them. A field marked **required**
must be given; sentences in *italics* are what the API server answers when a value is refused.

`

func render(out io.Writer, crds []apiextensionsv1.CustomResourceDefinition, conditions []constants) {
	version := crds[0].Spec.Versions[0].Name
	fmt.Fprintf(out, preface, "`"+crds[0].Spec.Group+"/"+version+"`")
	for _, crd := range crds {
		kind := crd.Spec.Names.Kind
		about := firstSentence(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Description)
		fmt.Fprintf(out, "- [%s](#%s) %s\n", kind, strings.ToLower(kind), strings.TrimPrefix(about, kind+" "))
	}
	fmt.Fprint(out, "- [Conditions and reasons](#conditions-and-reasons)\n")
	for i := range crds {
		renderKind(out, &crds[i])
	}
	renderConstants(out, conditions)
}

func renderKind(out io.Writer, crd *apiextensionsv1.CustomResourceDefinition) {
	names, version := crd.Spec.Names, crd.Spec.Versions[0]
	root := version.Schema.OpenAPIV3Schema
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n", names.Kind, oneLine(root.Description))
	fmt.Fprintf(out, "Scope: %s. `kubectl get %s`", strings.ToLower(string(crd.Spec.Scope)), names.Plural)
	for _, short := range names.ShortNames {
		fmt.Fprintf(out, ", short `%s`", short)
	}
	var columns, wide []string
	for _, column := range version.AdditionalPrinterColumns {
		if column.Priority > 0 {
			wide = append(wide, column.Name)
			continue
		}
		columns = append(columns, column.Name)
	}
	fmt.Fprintf(out, ", shows %s", strings.Join(columns, ", "))
	if len(wide) > 0 {
		fmt.Fprintf(out, "; with `-o wide` also %s", strings.Join(wide, ", "))
	}
	fmt.Fprint(out, ".\n")
	for _, sentence := range sentences(root) {
		fmt.Fprintf(out, "\n*%s*\n", sentence)
	}
	for _, part := range []string{"spec", "status"} {
		if property, found := root.Properties[part]; found {
			renderObject(out, names.Kind, part, &property)
		}
	}
}

// renderObject writes one table of fields, then those of the objects in it.
func renderObject(out io.Writer, kind, path string, object *schema) {
	fmt.Fprintf(out, "\n### %s %s\n\n%s\n\n", kind, path, oneLine(object.Description))
	for _, sentence := range sentences(object) {
		fmt.Fprintf(out, "*%s*\n\n", sentence)
	}
	fmt.Fprint(out, "| field | type | meaning |\n|---|---|---|\n")
	names := slices.Sorted(maps.Keys(object.Properties))
	for _, name := range names {
		field := object.Properties[name]
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, typeOf(kind, path+"."+name, &field), meaning(&field, slices.Contains(object.Required, name)))
	}
	for _, name := range names {
		field := object.Properties[name]
		if nested, suffix := nestedObject(&field); nested != nil {
			described := *nested
			if described.Description == "" || suffix != "" && field.Description != "" {
				described.Description = field.Description
			}
			if suffix == "" {
				described.XValidations = nil // said in the row of the field already
			}
			renderObject(out, kind, path+"."+name+suffix, &described)
		}
	}
}

// nestedObject is the object a field holds, or a list of it; nil for plain values and types of Kubernetes itself.
func nestedObject(field *schema) (nested *schema, suffix string) {
	if field.Type == "array" && field.Items != nil {
		field, suffix = field.Items.Schema, "[]"
	}
	if len(field.Properties) == 0 || kubernetesType(field) != "" {
		return nil, ""
	}
	return field, suffix
}

// kubernetesType knows the types of Kubernetes the API uses; they are documented there.
func kubernetesType(s *schema) string {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { _, found := s.Properties[name]; return !found })
	}
	switch {
	case has("matchLabels", "matchExpressions"):
		return "LabelSelector"
	case has("limits", "requests"):
		return "ResourceRequirements"
	case has("lastTransitionTime", "reason", "status"):
		return "Condition"
	}
	return ""
}

func typeOf(kind, path string, field *schema) string {
	if field.Type == "array" {
		if field.Items == nil {
			return "list"
		}
		return "list of " + typeOf(kind, path+"[]", field.Items.Schema)
	}
	switch {
	case kubernetesType(field) != "":
		return kubernetesType(field)
	case len(field.Properties) > 0:
		return fmt.Sprintf("[object](#%s)", anchor(kind+" "+path))
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return "map of " + typeOf(kind, path, field.AdditionalProperties.Schema)
	case field.XIntOrString:
		return "integer or string"
	case field.Format == "date-time":
		return "time"
	}
	return field.Type
}

// anchor is the fragment a heading gets on the usual forges.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func meaning(field *schema, required bool) string {
	var parts []string
	if required {
		parts = append(parts, "**required**")
	}
	if text := oneLine(field.Description); text != "" {
		parts = append(parts, text)
	}
	if field.Default != nil {
		parts = append(parts, "Default: `"+strings.Trim(string(field.Default.Raw), `"`)+"`.")
	}
	if text := strings.Join(limits(field), ", "); text != "" {
		parts = append(parts, capital(text)+".")
	}
	for _, sentence := range sentences(field) {
		parts = append(parts, "*"+sentence+"*")
	}
	return strings.ReplaceAll(strings.Join(parts, "<br>"), "|", `\|`)
}

// italic keeps stars and underscores of a sentence from ending the italics it is set in.
var italic = strings.NewReplacer("*", `\*`, "_", `\_`)

// sentences are what the API server answers, those of a list's items included.
func sentences(s *schema) []string {
	var list []string
	for _, validation := range s.XValidations {
		list = append(list, capital(italic.Replace(oneLine(validation.Message)))+".")
	}
	if s.Items != nil && s.Items.Schema != nil && len(s.Items.Schema.Properties) == 0 {
		list = append(list, sentences(s.Items.Schema)...)
	}
	return list
}

func renderConstants(out io.Writer, blocks []constants) {
	fmt.Fprint(out, "\n## Conditions and reasons\n")
	for _, block := range blocks {
		fmt.Fprintf(out, "\n### %s\n\n| value | meaning |\n|---|---|\n", block.title)
		for _, row := range block.rows {
			fmt.Fprintf(out, "| `%s` | %s |\n", row.value, row.doc)
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func firstSentence(text string) string {
	sentence, _, _ := strings.Cut(oneLine(text)+" ", ". ")
	return strings.TrimSuffix(strings.TrimSpace(sentence), ".") + "."
}

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
