// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"reflect"
	"strings"
	"testing"
)

func TestAPolicyIsReadAndWrittenWithoutLoss(t *testing.T) {
	const others = `{"Sid" : "Others", "Effect":"Deny",
		"Principal":"*", "Action":"s3:*", "Resource":["arn:aws:s3:::b/*"], "Unheard":[1.0,{"of":null}]}`
	document := &policyDocument{}
	if err := document.read(strings.NewReader(`{"Id":"x","Statement":[` + others + `,17],"Version":"2012-10-17"}`)); err != nil {
		t.Fatal(err)
	}
	document.set("b", policyEdit{"ta", "writer", "keeper"})
	again := &policyDocument{}
	if err := again.read(strings.NewReader(document.text())); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, document) || again.Version != policyVersion || len(again.Statement) != 5 || string(again.Statement[0].raw) != others {
		t.Errorf("read back: %s", again.text())
	}
	if found := again.tenants(); len(found) != 1 || len(found["ta"]) != 3 {
		t.Errorf("statements of tenants: %v", found)
	}
}

func FuzzPolicy(f *testing.F) {
	for _, text := range []string{
		"", "{}", "[]", `{"Version":1}`, `{"Statement":{}}`, `{"Statement":[`, `{"Statement":[{"Sid":"TermintreuList/ta"}]}`, `{"Version":"ü\n","Statement":[null,"x"]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		document, again := &policyDocument{}, &policyDocument{}
		if document.read(strings.NewReader(text)) != nil {
			return
		}
		if err := again.read(strings.NewReader(document.text())); err != nil {
			t.Fatalf("%q was read and %q was not: %v", text, document.text(), err)
		}
		if !reflect.DeepEqual(again, document) {
			t.Fatalf("%q became %q", text, again.text())
		}
	})
}
