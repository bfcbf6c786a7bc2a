package record

import (
	"strings"
	"testing"
)

func TestEndpoint(t *testing.T) {
	for _, ok := range []string{
		"gateway.example:8443", "localhost:1", "xn--e1afmkfd.example:65535", "a-b.example:443",
		"127.0.0.1:8443", "10.0.0.1:1", "[::1]:1", "[2001:db8::1]:443",
	} {
		if !isEndpoint(ok) {
			t.Errorf("isEndpoint(%q) = false, want true", ok)
		}
	}
	for _, bad := range []string{
		"", ":", ":443", "gateway.example", "gateway.example:", "gateway.example:0", "gateway.example:65536", "gateway.example:0443", "gateway.example:+443",
		"gateway.example:443 ", " gateway.example:443", "gate way.example:443", "gateway.example :443", "gateway.example:443\n",
		"https://gateway.example:443", "//gateway.example:443", "user@gateway.example:443", "gateway.example:443/path", "gateway.example:443#", "gateway.example:a",
		"Gateway.example:443", "gateway..example:443", ".example:443", "gateway.example.:443", "-a.example:443", "a_b.example:443", "gäteway.example:443",
		"127.1:443", "2130706433:443", "0x7f000001:443", "0177.0.0.1:443", "127.0.0.01:443", "1.2.3.4.5:443", "256.0.0.1:443",
		"::1:443", "[::1]", "[::1:443", "::1]:443", "[fe80::1%eth0]:443", "[0:0::1]:443", "[::FFFF]:443", "[::ffff:127.0.0.1]:443", "[127.0.0.1]:443", "[gateway.example]:443",
		"0.0.0.0:443", "[::]:443", "224.0.0.1:443", "[ff02::1]:443",
		strings.Repeat("a", 64) + ".example:443", strings.Repeat("a.", 127) + "ab:443",
	} {
		if isEndpoint(bad) {
			t.Errorf("isEndpoint(%q) = true, want false", bad)
		}
	}
}

func TestName(t *testing.T) {
	for _, ok := range []string{
		"Central Authority", "السلطة المركزية للتعاون القضائي", "中央司法机关", "Генеральная прокуратура", "دفتر می‌خواهم", "संयुक्‍त", "Ministère de l’Intérieur", "한국 법무부", "ស្ថាប័ន",
		"УНП ООН / UNODC", "УНП-UNODC", "法務省 MOJ", "Ministerio de Justicia (Perú)", "Música", "Υπουργείο Δικαιοσύνης", "α-Court", "Ђ 2×4",
	} {
		if !isName(ok) {
			t.Errorf("isName(%q) = false, want true", ok)
		}
	}
	for _, bad := range []string{
		"", " ", " Court", "Court ", "Court\u00a0", "Co\turt", "Co\nurt", "Co\x00urt", "Co\x7furt", "Co\u0085urt", "Co\u00adurt", "Co\u200burt", "\u200fCourt", "Co\u202eurt", "Co\u2066urt",
		"Co\u2028urt", "\ufeffCourt", "Co\ufe0furt", "Co\ue000urt", "Co\ufffdurt", "Co\U000e0041urt", "Co\U000fffffurt", "Co\xffurt", "\u3164", strings.Repeat("界", 171),
		"Cоurt", "Сourt", "Minοr", "Суd", "Cóуrt", "C‍оurt", "Κentral", "АΒГ", // Cyrillic and Greek letters among Latin ones
	} {
		if isName(bad) {
			t.Errorf("isName(%q) = true, want false", bad)
		}
	}
}

func TestLanguage(t *testing.T) {
	for text, want := range map[string]bool{
		"en": true, "ara": true, "ar-EG": true, "zh-Hant": true, "zh-Hans-CN": true, "es-419": true,
		"": false, "e": false, "EN": false, "en-us": false, "en_US": false, "english": false, "zh-hant": false, "en-US-x": false, "en ": false, "еn": false,
	} {
		if got := languageForm.MatchString(text); got != want {
			t.Errorf("language %q accepted: %v, want %v", text, got, want)
		}
	}
}
