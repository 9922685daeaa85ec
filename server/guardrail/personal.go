package guardrail

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind is a kind of personal information that has a form: a pattern and a check of what it finds.
type kind struct {
	pattern string
	valid   func(match string) bool
}

// kinds are named as the service names them. Kinds without a form, such as names and addresses, are
// not found by patterns and have no entry.
func kinds() map[string]kind {
	return map[string]kind{
		"EMAIL": {pattern: `[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b`},
		"PHONE": {
			pattern: `(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\b\d{2,4})[ .-]\d{3,4}[ .-]?\d{3,4}\b` +
				`|\+\d{8,15}\b`,
		},
		"URL": {pattern: `\b(?:https?|ftp)://[^\s<>"]{0,511}[^\s<>".,;:!?)]`},
		"IP_ADDRESS": {
			pattern: `\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b` +
				`|\b(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\b`,
		},
		"MAC_ADDRESS":              {pattern: `\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b`},
		"CREDIT_DEBIT_CARD_NUMBER": {pattern: `\b\d(?:[ -]?\d){12,18}\b`, valid: luhn},
		"US_SOCIAL_SECURITY_NUMBER": {
			pattern: `\b\d{3}-\d{2}-\d{4}\b`, valid: validSSN,
		},
		"US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": {
			pattern: `\b9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}\b`,
		},
		"US_BANK_ROUTING_NUMBER":     {pattern: `\b\d{9}\b`, valid: validRouting},
		"CA_SOCIAL_INSURANCE_NUMBER": {pattern: `\b\d{3}[ -]\d{3}[ -]\d{3}\b`, valid: luhn},
		"UK_NATIONAL_INSURANCE_NUMBER": {
			pattern: `\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b`,
		},
		"UK_NATIONAL_HEALTH_SERVICE_NUMBER": {
			pattern: `\b\d{3}[ -]?\d{3}[ -]?\d{4}\b`,
			valid:   validNHS,
		},
		"INTERNATIONAL_BANK_ACCOUNT_NUMBER": {
			pattern: `\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}\b`, valid: validIBAN,
		},
		"SWIFT_CODE":                    {pattern: `\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b`},
		"VEHICLE_IDENTIFICATION_NUMBER": {pattern: `\b[A-HJ-NPR-Z0-9]{17}\b`, valid: validVIN},
		"AWS_ACCESS_KEY":                {pattern: `\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`},
		"AWS_SECRET_KEY": {
			pattern: `\b[A-Za-z0-9/+]{40}\b`, valid: mixed,
		},
	}
}

func (g *Guardrail) addPersonal(c *config) error {
	known := kinds()
	for i := range c.Personal {
		p := &c.Personal[i]
		k, ok := known[p.Type]
		if !ok || p.Pattern != "" || p.Name != "" {
			return fmt.Errorf("personal %d: %q is no kind that a pattern finds; these are: %s "+
				"(a regex with a name can look for others)", i+1, p.Type,
				strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		r := rule{group: personalGroup, kind: p.Type, valid: k.valid}
		if err := r.set(p); err != nil {
			return fmt.Errorf("personal %q: %w", p.Type, err)
		}
		if err := r.compile(k.pattern); err != nil {
			return fmt.Errorf("personal %q: %w", p.Type, err)
		}
		g.rules = append(g.rules, r)
	}
	return nil
}

// digits are a text's digits as numbers.
func digits(s string) []int {
	var out []int
	for _, c := range []byte(s) {
		if c >= '0' && c <= '9' {
			out = append(out, int(c-'0'))
		}
	}
	return out
}

// luhn checks the last digit of card numbers (ISO/IEC 7812-1).
func luhn(s string) bool {
	d, sum := digits(s), 0
	for i := range d {
		n := d[len(d)-1-i]
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0 && strings.Trim(s, "0 -") != ""
}

// validSSN leaves out numbers that are never given.
func validSSN(s string) bool {
	return s[:3] != "000" && s[:3] != "666" && s[0] != '9' && s[4:6] != "00" && s[7:] != "0000"
}

// validRouting checks the sum of routing numbers of the American Bankers Association.
func validRouting(s string) bool {
	sum := 0
	for i, n := range digits(s) {
		sum += n * []int{3, 7, 1}[i%3]
	}
	return sum%10 == 0 && sum > 0
}

// validNHS checks the last digit modulo 11.
func validNHS(s string) bool {
	d, sum := digits(s), 0
	for i := range 9 {
		sum += d[i] * (10 - i)
	}
	check := 11 - sum%11
	return check%11 == d[9] && check != 10 && sum > 0
}

// validIBAN checks the remainder by 97 (ISO 13616).
func validIBAN(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// validVIN checks the ninth character (49 CFR 565).
func validVIN(s string) bool {
	const values = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ"
	weights := []int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i := range len(s) {
		sum += strings.IndexByte(values, s[i]) % 10 * weights[i]
	}
	return s[8] == "0123456789X"[sum%11]
}

// mixed reports capitals, small letters and digits together, as random keys have them.
func mixed(s string) bool {
	return strings.ContainsAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") && strings.ToUpper(s) != s &&
		len(digits(s)) > 0
}
