// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"slices"
	"strings"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// holiday is one day of each year, in words that are computed: "12-25" is a date, "E+39" counts days from Easter
// Sunday, and the rest have names.
type holiday string

// Days that are counted by weeks.
const (
	repentance  holiday = "BB" // the Wednesday before 23 November (SN)
	fastGeneva  holiday = "JG" // the Thursday after the first Sunday of September (GE)
	fastFederal holiday = "JF" // the Monday after the third Sunday of September (VD)
	naefels     holiday = "NF" // the first Thursday of April, a week later in Holy Week (GL)
)

// everywhere in a country, and what each Land or canton adds or ("-") leaves out. Germany: the Feiertagsgesetze of the
// Länder, as they stand in 2026; for Switzerland the Federal Office of Justice's list of days that are statutory
// holidays or treated as such (cantons; Bundesfeiertag: Art. 110(3) BV).
var everywhere = map[string]string{
	"DE": "01-01 E-2 E+1 05-01 E+39 E+50 10-03 12-25 12-26",
	"CH": "01-01 E-2 E+1 E+39 E+50 08-01 12-25 12-26",
}

var calendars = map[v1alpha1.HolidayCalendar]string{
	"DE-BB": "E+0 E+49 10-31", "DE-BE": "03-08", "DE-BW": "01-06 E+60 11-01", "DE-BY": "01-06 E+60 11-01", "DE-HB": "10-31",
	"DE-HE": "E+60", "DE-HH": "10-31", "DE-MV": "03-08 10-31", "DE-NI": "10-31", "DE-NW": "E+60 11-01", "DE-RP": "E+60 11-01",
	"DE-SH": "10-31", "DE-SL": "E+60 08-15 11-01", "DE-SN": "10-31 BB", "DE-ST": "01-06 10-31", "DE-TH": "09-20 10-31",

	"CH-BE": "01-02", "CH-BL": "05-01", "CH-BS": "05-01", "CH-GE": "-12-26 12-31 JG", "CH-GL": "01-02 NF 11-01", "CH-GR": "",
	"CH-LU": "01-02 E+60 08-15 11-01 12-08", "CH-NW": "03-19 E+60 08-15 11-01 12-08", "CH-SG": "11-01", "CH-SH": "01-02 05-01",
	"CH-TG": "01-02 05-01", "CH-TI": "-E-2 01-06 03-19 05-01 E+60 06-29 08-15 11-01 12-08", "CH-UR": "01-06 03-19 E+60 08-15 11-01 12-08",
	"CH-VD": "-12-26 01-02 JF", "CH-VS": "-E-2 -E+1 -E+50 -12-26 03-19 E+60 08-15 11-01 12-08", "CH-ZG": "01-02 E+60 08-15 11-01 12-08",
	"CH-ZH": "05-01",
}

// Holidays gives the public holidays of a year as dates (YYYY-MM-DD), in order; none for a calendar nobody knows.
func Holidays(calendar v1alpha1.HolidayCalendar, year int) []string {
	own, known := calendars[calendar]
	if !known {
		return nil
	}
	country, _, _ := strings.Cut(string(calendar), "-")
	days := strings.Fields(everywhere[country])
	for _, day := range strings.Fields(own) {
		if without, removed := strings.CutPrefix(day, "-"); removed {
			days = slices.DeleteFunc(days, func(other string) bool { return other == without })
			continue
		}
		days = append(days, day)
	}
	dates := make([]string, len(days))
	for n, day := range days {
		dates[n] = holiday(day).in(year).Format(time.DateOnly)
	}
	slices.Sort(dates)
	return dates
}

// in gives the day of a year.
func (h holiday) in(year int) time.Time {
	switch h {
	case repentance:
		return onOrBefore(date(year, time.November, 22), time.Wednesday)
	case fastGeneva:
		return onOrBefore(date(year, time.September, 7), time.Sunday).AddDate(0, 0, 4)
	case fastFederal:
		return onOrBefore(date(year, time.September, 21), time.Sunday).AddDate(0, 0, 1)
	case naefels:
		day, easter := onOrBefore(date(year, time.April, 7), time.Thursday), easter(year)
		if day.Before(easter) && day.After(easter.AddDate(0, 0, -7)) {
			day = day.AddDate(0, 0, 7)
		}
		return day
	}
	if text, movable := strings.CutPrefix(string(h), "E"); movable {
		days, sign := 0, 1
		for _, r := range text {
			switch r {
			case '-':
				sign = -1
			case '+':
			default:
				days = days*10 + int(r-'0')
			}
		}
		return easter(year).AddDate(0, 0, sign*days)
	}
	day, _ := time.Parse("01-02", string(h))
	return date(year, day.Month(), day.Day())
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func onOrBefore(day time.Time, weekday time.Weekday) time.Time {
	return day.AddDate(0, 0, -((int(day.Weekday()) - int(weekday) + 7) % 7))
}

// easter Sunday of the Gregorian calendar, by the anonymous algorithm (Meeus, Astronomical Algorithms, chapter 8).
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e, g := b/4, b%4, (8*b+13)/25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 19*l) / 433
	month := (h + l - 7*m + 90) / 25
	return date(year, time.Month(month), (h+l-7*m+33*month+19)%32)
}
