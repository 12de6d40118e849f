// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"embed"
	"fmt"
	"io"
	"reflect"
	"text/template/parse"
)

//go:embed sql/*.sql
var templates embed.FS

var statements = mustParse("roles.sql", "rules.sql", "grants.sql")

// statementSet are templates in the language of text/template, as much of it as ours use, written out without that
// package: it may call any method by its name, so that a program it is linked into keeps every method of every type.
// The operator was 14 MB larger for it, nearly all of it resident.
type statementSet map[string]*parse.Tree

// functions the templates may call, as the parser wants them.
var functions = map[string]any{"and": true, "not": true}

func mustParse(names ...string) statementSet {
	set := statementSet{}
	for _, name := range names {
		text, err := templates.ReadFile("sql/" + name)
		if err != nil {
			panic(err)
		}
		trees, err := parse.Parse(name, string(text), "", "", functions)
		if err != nil {
			panic(err)
		}
		for name, tree := range trees {
			set[name] = tree
		}
	}
	return set
}

// ExecuteTemplate writes a template with its data, a struct or a pointer to one.
func (s statementSet) ExecuteTemplate(out io.Writer, name string, data any) error {
	root := reflect.ValueOf(data)
	return s.write(out, name, root)
}

func (s statementSet) write(out io.Writer, name string, data reflect.Value) error {
	tree, found := s[name]
	if !found {
		return fmt.Errorf("template %s is not there", name)
	}
	frame := &frame{set: s, out: out, dot: data, variables: []variable{{"$", data}}}
	if err := frame.walk(tree.Root); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return nil
}

type variable struct {
	name  string
	value reflect.Value
}

// frame is one template being written: what the dot is, and the variables in sight, the innermost last.
type frame struct {
	set       statementSet
	out       io.Writer
	dot       reflect.Value
	variables []variable
}

func (f *frame) walk(node parse.Node) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil { // an else that is not there
			return nil
		}
		for _, each := range n.Nodes {
			if err := f.walk(each); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode:
		_, err := f.out.Write(n.Text)
		return err
	case *parse.ActionNode:
		value, err := f.pipe(n.Pipe)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(f.out, value.Interface())
		return err
	case *parse.IfNode:
		value, err := f.pipe(n.Pipe)
		if err != nil {
			return err
		}
		if truth(value) {
			return f.walk(n.List)
		}
		return f.walk(n.ElseList)
	case *parse.RangeNode:
		return f.loop(n)
	case *parse.TemplateNode:
		value, err := f.pipe(n.Pipe)
		if err != nil {
			return err
		}
		return f.set.write(f.out, n.Name, value)
	}
	return fmt.Errorf("%s is not understood", node)
}

func (f *frame) loop(n *parse.RangeNode) error {
	list, err := f.pipe(n.Pipe)
	if err != nil {
		return err
	}
	if list.Kind() != reflect.Slice {
		return fmt.Errorf("%s is no list", n.Pipe)
	}
	if list.Len() == 0 {
		return f.walk(n.ElseList)
	}
	for i := range list.Len() {
		inner := &frame{set: f.set, out: f.out, dot: list.Index(i), variables: f.variables[:len(f.variables):len(f.variables)]}
		named := []reflect.Value{reflect.ValueOf(i), inner.dot}
		// One name is the element's, two are index and element.
		for j, declared := range n.Pipe.Decl {
			inner.variables = append(inner.variables, variable{declared.Ident[0], named[2-len(n.Pipe.Decl)+j]})
		}
		if err := inner.walk(n.List); err != nil {
			return err
		}
	}
	return nil
}

func (f *frame) pipe(pipe *parse.PipeNode) (reflect.Value, error) {
	if pipe == nil || len(pipe.Cmds) != 1 {
		return reflect.Value{}, fmt.Errorf("%s is not understood: one command is", pipe)
	}
	arguments := pipe.Cmds[0].Args
	function, called := arguments[0].(*parse.IdentifierNode)
	if !called {
		if len(arguments) > 1 {
			return reflect.Value{}, fmt.Errorf("%s is not understood: only functions take arguments", pipe)
		}
		return f.value(arguments[0])
	}
	var value reflect.Value
	for _, argument := range arguments[1:] {
		var err error
		if value, err = f.value(argument); err != nil {
			return reflect.Value{}, err
		}
		if function.Ident == "and" && !truth(value) {
			break
		}
	}
	if function.Ident == "not" {
		return reflect.ValueOf(!truth(value)), nil
	}
	return value, nil
}

func (f *frame) value(node parse.Node) (reflect.Value, error) {
	switch n := node.(type) {
	case *parse.DotNode:
		return f.dot, nil
	case *parse.FieldNode:
		return field(f.dot, n.Ident)
	case *parse.PipeNode:
		return f.pipe(n)
	case *parse.VariableNode:
		for i := len(f.variables) - 1; i >= 0; i-- {
			if f.variables[i].name == n.Ident[0] {
				return field(f.variables[i].value, n.Ident[1:])
			}
		}
	}
	return reflect.Value{}, fmt.Errorf("%s is not understood", node)
}

// field follows names from a struct, or a pointer to one.
func field(value reflect.Value, names []string) (reflect.Value, error) {
	for _, name := range names {
		value = reflect.Indirect(value)
		if value.Kind() != reflect.Struct || !value.FieldByName(name).IsValid() {
			return reflect.Value{}, fmt.Errorf("there is no field %s", name)
		}
		value = value.FieldByName(name)
	}
	return value, nil
}

// truth is false for what is empty.
func truth(value reflect.Value) bool {
	if value.Kind() == reflect.Slice {
		return value.Len() > 0
	}
	return value.IsValid() && !value.IsZero()
}
