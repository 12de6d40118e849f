// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// constants is one const block: its heading comment and what it declares.
type constants struct {
	title string
	rows  []constant
}

type constant struct{ value, doc string }

// readConstants gives the documented string constants of a file, block by block, in the order they are written.
func readConstants(path string) ([]constants, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var blocks []constants
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.CONST {
			continue
		}
		title, _, _ := strings.Cut(oneLine(general.Doc.Text()), ".")
		block := constants{title: title}
		for _, spec := range general.Specs {
			block.rows = append(block.rows, constantsOf(spec.(*ast.ValueSpec))...)
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

func constantsOf(spec *ast.ValueSpec) []constant {
	var rows []constant
	for i, value := range spec.Values {
		literal, ok := value.(*ast.BasicLit)
		if !ok {
			continue
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			continue
		}
		// The comment speaks of the Go name; a reader of the status knows the value, which stands beside it here.
		doc := strings.TrimPrefix(oneLine(spec.Doc.Text()), spec.Names[i].Name+" ")
		doc = strings.TrimPrefix(strings.TrimPrefix(doc, "means "), "is ")
		rows = append(rows, constant{text, capital(doc)})
	}
	return rows
}
