// SPDX-License-Identifier: Apache-2.0

// Package locale holds every word citizens and staff read. A language is a JSON file for the site and one for
// the staff side; a further one needs nothing but its files, since its plural rules come from CLDR. Dates follow CLDR's patterns for the language.
package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

//go:embed *.json
var files embed.FS

// Locale is one language's words.
type Locale struct {
	// Tag is the language, such as "de".
	Tag      string
	messages map[string]string
}

// loaded holds the languages that were asked for, by tag: jobs and idle sites need few of them, or none.
var loaded sync.Map

// Get gives a language's words, or nil. What is asked for must be bounded, such as the languages a site offers.
func Get(tag string) *Locale {
	if known, found := loaded.Load(tag); found {
		return known.(*Locale)
	}
	// A name with a dot is that of another file of some language.
	if strings.Contains(tag, ".") {
		return nil
	}
	if _, err := fs.Stat(files, tag+".json"); err != nil {
		return nil
	}
	kept, _ := loaded.LoadOrStore(tag, mustLoad(tag))
	return kept.(*Locale)
}

// mustLoad reads a language's files: de.json holds the words of the site in German, staff.de.json those of the staff side.
func mustLoad(tag string) *Locale {
	l := &Locale{Tag: tag, messages: map[string]string{}}
	for _, name := range []string{tag + ".json", "staff." + tag + ".json"} {
		raw, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(raw, &l.messages); err != nil {
			panic(fmt.Errorf("locale %s: %w", name, err))
		}
	}
	return l
}

// Negotiate chooses among the site's languages by an Accept-Language header; the first is the default.
func Negotiate(header string, offered []string) string {
	if len(offered) == 0 {
		return ""
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return offered[0]
	}
	for _, tag := range wanted {
		base, _ := tag.Base()
		if slices.Contains(offered, base.String()) {
			return base.String()
		}
	}
	return offered[0]
}

// T gives the message of a key with its {placeholders} filled from pairs of name and value. An unknown key is an
// error, so that a page with a hole is never sent.
func (l *Locale) T(key string, pairs ...any) (string, error) {
	message, found := l.messages[key]
	if !found {
		return "", fmt.Errorf("locale %s has no message %q", l.Tag, key)
	}
	for n := 0; n+1 < len(pairs); n += 2 {
		message = strings.ReplaceAll(message, fmt.Sprintf("{%v}", pairs[n]), fmt.Sprint(pairs[n+1]))
	}
	return message, nil
}

// Say is T for keys known to exist; an unknown one says itself.
func (l *Locale) Say(key string, pairs ...any) string {
	message, err := l.T(key, pairs...)
	if err != nil {
		return key
	}
	return message
}

// Or gives the message of a key, or what it is otherwise to be called.
func (l *Locale) Or(key, otherwise string) string {
	if message, found := l.messages[key]; found {
		return message
	}
	return otherwise
}

// forms are the names CLDR gives to the forms a counted noun takes.
var forms = map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few",
	plural.Many: "many", plural.Other: "other"}

// Form names the plural form a whole number takes in the language, by the rules of CLDR.
func (l *Locale) Form(count int) string {
	return forms[plural.Cardinal.MatchPlural(language.Make(l.Tag), count, 0, 0, 0, 0)]
}

// Count writes a counted noun, such as "3 Tage".
func (l *Locale) Count(key string, count int) string {
	return l.Say(key+"."+l.Form(count), "n", count)
}

// Number writes a number.
func (l *Locale) Number(number int) string { return strconv.Itoa(number) }

// Period writes a period in words, such as "30 Tage".
func (l *Locale) Period(period v1alpha1.Period) string {
	text := string(period)
	if len(text) < 2 {
		return text
	}
	count, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		return text
	}
	return l.Count("period."+text[len(text)-1:], count)
}

// Country gives the name of a country, or its code.
func (l *Locale) Country(code v1alpha1.CountryCode) string {
	return l.Or("country."+string(code), string(code))
}

// Date writes a day in full, such as "Montag, 1. Juni 2026".
func (l *Locale) Date(at time.Time) string {
	return l.Say("date.long", "weekday", l.Say("weekday."+strconv.Itoa(int(at.Weekday()))), "day", at.Day(),
		"month", l.Say("month."+strconv.Itoa(int(at.Month()))), "year", at.Year())
}

// Day writes a day of the notice, such as "1. Juni 2026".
func (l *Locale) Day(date string) string {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return l.Say("date.day", "day", at.Day(), "month", l.Say("month."+strconv.Itoa(int(at.Month()))), "year", at.Year())
}

// Clock writes a time of day in a sentence, such as "08:30 Uhr".
func (l *Locale) Clock(at time.Time, repeated bool) string {
	return l.Say("time", "time", Digits(at, repeated))
}

// Digits writes a time of day alone; with the zone when the clock shows that time twice on its day.
func Digits(at time.Time, repeated bool) string {
	text := at.Format("15:04")
	if repeated {
		text += " (" + at.Format("MST") + ")"
	}
	return text
}
