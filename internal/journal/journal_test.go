// SPDX-License-Identifier: Apache-2.0

package journal_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/journal"
)

// FuzzParse: whoever can write to a store writes what a restore reads. What is taken says the same when it is written
// again, and names a key exactly when it brings one.
func FuzzParse(f *testing.F) {
	key := make([]byte, journal.KeySize)
	entries := []journal.Entry{{Mark: journal.Mark(key, "appointment", "a"), At: time.Unix(0, 0).UTC()}}
	keyed, err := journal.Make("t1", journal.NameOf(key), []byte("age"), entries)
	if err != nil {
		f.Fatal(err)
	}
	older, err := journal.Make("t1", "", nil, entries)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{keyed, older, keyed[:len(keyed)/2], []byte("null"), []byte(`{"format":"termintreu erasure journal 1","dataID":"t","key":"x"}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := journal.Parse(raw)
		if err != nil {
			return
		}
		if found.DataID == "" || len(found.Entries) > journal.MostEntries || (found.Key == "") != (len(found.WrappedKey) == 0) {
			t.Fatalf("taken: %+v", found)
		}
		written, err := journal.Make(found.DataID, found.Key, found.WrappedKey, found.Entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := journal.Parse(written)
		if err != nil {
			t.Fatalf("not read again: %v", err)
		}
		for i, entry := range again.Entries {
			if !bytes.Equal(entry.Mark, found.Entries[i].Mark) || !entry.At.Equal(found.Entries[i].At) {
				t.Fatalf("entry %d says something else", i)
			}
		}
	})
}

func TestAMarkTellsTableRecordAndKeyApart(t *testing.T) {
	key, other := make([]byte, journal.KeySize), bytes.Repeat([]byte{1}, journal.KeySize)
	mark := journal.Mark(key, "appointment", "a")
	for name, changed := range map[string][]byte{
		"key": journal.Mark(other, "appointment", "a"), "table": journal.Mark(key, "contact", "a"), "record": journal.Mark(key, "appointment", "b"),
		"border": journal.Mark(key, "appointmen", "ta"),
	} {
		if bytes.Equal(mark, changed) {
			t.Errorf("another %s gives the same mark", name)
		}
	}
}
