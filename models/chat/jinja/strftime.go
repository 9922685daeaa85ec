package jinja

import (
	"strings"
	"time"
)

// strftime is C's strftime in the C locale, with glibc's flags - _ 0 ^ between % and the letter.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		start := i
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		text, ok := timeField(t, format[i], flag)
		if !ok {
			text = format[start : i+1]
		}
		if flag == '^' {
			text = upper(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// timeField formats one conversion; ok is false where C has none of that letter.
func timeField(t time.Time, c, flag byte) (text string, ok bool) {
	if value, width, fill := timeNumber(t, c); width > 0 {
		switch flag {
		case '-':
			width = 1
		case '_':
			fill = " "
		case '0':
			fill = "0"
		}
		return itoa(value, width, fill), true
	}
	// Formats made of others.
	if parts, ok := map[byte]string{
		'c': "%a %b %e %H:%M:%S %Y", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'R': "%H:%M",
		'r': "%I:%M:%S %p",
		'T': "%H:%M:%S", 'x': "%m/%d/%y", 'X': "%H:%M:%S",
	}[c]; ok {
		return strftime(t, parts), true
	}
	layout := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
		'p': "PM",
	}[c]
	switch c {
	case 'f':
		return itoa(t.Nanosecond()/1000, 6, "0"), true
	case 'P':
		return strings.ToLower(t.Format("PM")), true
	case 's':
		return itoa(int(t.Unix()), 1, ""), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	case 'z', 'Z':
		return "", true // the time is naive: it has no zone
	}
	return t.Format(layout), layout != ""
}

// timeNumber is the value, width and padding of a numeric conversion; width 0 for any other.
func timeNumber(t time.Time, c byte) (value, width int, fill string) {
	isoYear, isoWeek := t.ISOWeek()
	weekday := int(t.Weekday())
	switch c {
	case 'C':
		return t.Year() / 100, 2, "0"
	case 'd':
		return t.Day(), 2, "0"
	case 'e':
		return t.Day(), 2, " "
	case 'g':
		return isoYear % 100, 2, "0"
	case 'G':
		return isoYear, 4, "0"
	case 'H':
		return t.Hour(), 2, "0"
	case 'I':
		return (t.Hour()+11)%12 + 1, 2, "0"
	case 'j':
		return t.YearDay(), 3, "0"
	case 'k':
		return t.Hour(), 2, " "
	case 'l':
		return (t.Hour()+11)%12 + 1, 2, " "
	case 'm':
		return int(t.Month()), 2, "0"
	case 'M':
		return t.Minute(), 2, "0"
	case 'S':
		return t.Second(), 2, "0"
	case 'u':
		return (weekday+6)%7 + 1, 1, "0"
	case 'U':
		return (t.YearDay() + 6 - weekday) / 7, 2, "0"
	case 'V':
		return isoWeek, 2, "0"
	case 'w':
		return weekday, 1, "0"
	case 'W':
		return (t.YearDay() + 6 - (weekday+6)%7) / 7, 2, "0"
	case 'y':
		return t.Year() % 100, 2, "0"
	case 'Y':
		return t.Year(), 4, "0"
	}
	return 0, 0, ""
}
