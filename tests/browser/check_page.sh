#!/usr/bin/env bash
# Opens an HTML page in chromium, 400 and 1200 pixels wide, and fails when a picture is missing, a script
# fails or the page scrolls sideways. Says what is wrong, a line each.
# usage: check_page.sh PAGE
set -euo pipefail
page=${1:?usage: check_page.sh PAGE}
if ! command -v chromium >/dev/null; then
  echo "check_page.sh: no chromium: install the package chromium" >&2
  exit 1
fi
grep -q '<head>' "$page" || { echo "check_page.sh: $page: no <head>" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Beside the page, so that relative addresses still work: <base> does that for the copy.
base="file://$(cd "$(dirname "$page")" && pwd)/"
probe="<base href=\"$base\"><script>window.failures = [];
addEventListener('error', e => failures.push(e.message || 'cannot load ' + e.target.src), true);</script>"
PROBE=$probe awk '!done && (at = index($0, "<head>")) {
  print substr($0, 1, at + 5) ENVIRON["PROBE"] substr($0, at + 6); done = 1; next } { print }' \
  "$page" >"$folder/page.html"

cat >"$folder/frames.html" <<'END'
<!DOCTYPE html>
<html><head></head><body><script>
const say = text => document.body.append(Object.assign(document.createElement('p'), {textContent: text}));
for (const width of [400, 1200]) {
  const frame = document.createElement('iframe');
  frame.width = width;
  frame.height = 900;
  frame.onload = () => {
    const page = frame.contentWindow;
    const wide = page.document.documentElement.scrollWidth;
    for (const failure of page.failures) say(`FAULT at ${width}: ${failure}`);
    for (const image of page.document.images)
      if (!(image.complete && image.naturalWidth > 0)) say(`FAULT at ${width}: picture missing: ${image.alt}`);
    if (!(wide <= page.innerWidth)) say(`FAULT at ${width}: scrolls sideways, ${wide} pixels wide`);
    say(`CHECKED ${width}`);
  };
  frame.src = 'page.html';
  document.body.append(frame);
}
</script></body></html>
END

# Root may not use the sandbox.
timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
  --allow-file-access-from-files --user-data-dir="$folder/profile" --virtual-time-budget=5000 \
  --dump-dom "file://$folder/frames.html" >"$folder/dom" 2>"$folder/log" || true

found=$(grep -o '<p>[A-Z]* [^<]*' "$folder/dom" | sed 's/^<p>//' || true)
if [ "$(grep -c '^CHECKED' <<<"$found")" -ne 2 ]; then
  echo "check_page.sh: chromium did not finish:" >&2
  tail -n 20 "$folder/log" >&2
  exit 1
fi
if grep '^FAULT' <<<"$found"; then exit 1; fi
echo "$page: nothing missing, no script error, no sideways scrolling"
