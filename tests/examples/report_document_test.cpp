// Documents: HTML, Markdown, and a browser's opinion of the page.
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>

#include "examples/report/charts.h"
#include "examples/report/document.h"
#include "examples/report/images.h"
#include "examples/report/text.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using namespace tapegrad::report;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A document with an element of each kind; its pictures are in `folder`.
Document everything(const fs::path& folder) {
  const std::vector<Panel> panels{{"loss", {{"train", {0, 1, 2}, {3, 2, 1}}}}};
  const std::vector<Tile> tiles(8, Tile{std::vector<std::uint8_t>(3072, 90), {"grey"}});
  const std::string wide(150, 'w');
  Document document("Results & <results>");
  document
      .summary({{"accuracy", "51.9 %", "of 10,000 images", Verdict::good},
                {"check", "1e-3", "too large", Verdict::bad}})
      .heading(1, "Section")
      .paragraph("A paragraph with a very long word: " + wide)
      .list({"one", "two"})
      .heading(2, "Part")
      .table({"setting", "accuracy", "published", "verdict", "explanation"},
             {{"one cycle", ".4611", ".4525", {"agrees", Verdict::good}, wide},
              {"three | cycles", "", "–", {"unexplained", Verdict::bad}, "none"}},
             "Figures.")
      .code("a line that is long: " + wide + "\n")
      .picture(curves({folder / "loss", "Loss"}, {"step"}, panels), "The loss.")
      .picture(image_grid({folder / "images", "Images", "Grey squares"}, tiles, 8), "The images.");
  return document;
}

// The exit code of the page's check, and what it prints.
struct Checked {
  int exit_code;
  std::string output;
};

Checked check_page(const fs::path& page, const std::string& environment = "") {
  const fs::path log = page.string() + ".log";
  const std::string command =
      fmt::format("{} /bin/bash '{}/tests/browser/check_page.sh' '{}' >'{}' 2>&1", environment,
                  TAPEGRAD_SOURCE_DIR, page.string(), log.string());
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(log)};
}

std::string with(const std::string& page, const std::string& element) {
  const std::size_t end = page.find("</main>");
  return page.substr(0, end) + element + page.substr(end);
}

}  // namespace

TEST_CASE("documents: text is escaped") {
  CHECK(html_escaped("<a href=\"x\">'&\x01") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp; ");
  CHECK(markdown_escaped("a_b *c* [d](e) `f` | <g>\nh") ==
        "a\\_b \\*c\\* \\[d\\](e) \\`f\\` \\| \\<g\\> h");
  CHECK(markdown_escaped("# a") == "\\# a");
  CHECK(markdown_escaped("1. a") == "1\\. a");
  CHECK(markdown_escaped("- a") == "\\- a");
  CHECK(markdown_escaped("-3 to 51.9 # b") == "-3 to 51.9 # b");
  CHECK(markdown_escaped("51.9") == "51.9");
  CHECK(markdown_escaped("2026") == "2026");
  CHECK(url_escaped("a b/ü(1).png") == "a%20b/%C3%BC%281%29.png");
}

TEST_CASE("documents: base64 as RFC 4648 has it") {
  const auto encoded = [](std::string_view text) {
    return base64(std::as_bytes(std::span(text.data(), text.size())));
  };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
}

TEST_CASE("documents: what counts as a number in a table") {
  for (const char* text :
       {".518", "-3", "−3", "1.2e-8 ± 3e-9", "46.3 %", "[.448, .470]", "1,000"}) {
    CAPTURE(text);
    CHECK(is_numeric(text));
  }
  for (const char* text : {"", "–", "one", "e5", "12 min", "W1"}) {
    CAPTURE(text);
    CHECK_FALSE(is_numeric(text));
  }
}

TEST_CASE("documents: tables align numbers, name rows and show verdicts") {
  Document document("t");
  document.table({"name", "<value>", "verdict"},
                 {{"a & b", ".5", {"agrees", Verdict::good}}, {"c", "", {"no", Verdict::bad}}},
                 "Some <numbers>.");
  const std::string html = document.html();
  CHECK_THAT(html, Contains("<caption>Table 1. Some &lt;numbers&gt;.</caption>"));
  CHECK_THAT(html, Contains("<th scope=\"col\" class=\"number\">&lt;value&gt;</th>"));
  CHECK_THAT(html, Contains("<tr><th scope=\"row\">a &amp; b</th><td class=\"number\">.5</td>"
                            "<td class=\"good\"><span class=\"sign\">✓</span>&nbsp;agrees</td>"));
  CHECK(document.markdown("") ==
        "# t\n\nTable 1. Some \\<numbers\\>.\n\n| name | \\<value\\> | verdict |\n|:--|--:|:--|\n"
        "| a \\& b | .5 | ✓ agrees |\n| c |  | ✗ no |\n");
  CHECK_THROWS_WITH(document.table({"a", "b"}, {{"1"}}, "x"),
                    "table 'x': a row of 1 cells, but there are 2 columns");
}

TEST_CASE("documents: headings make the table of contents, only three levels") {
  Document document("t");
  document.heading(1, "Same").heading(2, "Same").heading(3, "Deep");
  const std::string html = document.html();
  CHECK_THAT(html, Contains("<a href=\"#section-1\">Same</a>"));
  CHECK_THAT(html, Contains("<h3 id=\"section-2\">Same</h3>"));
  CHECK_THAT(html, Contains("<h4 id=\"section-3\">Deep</h4>") && !Contains("#section-3"));
  CHECK_THROWS_AS(document.heading(0, "x"), OptionError);
  CHECK_THROWS_AS(document.heading(4, "x"), OptionError);
  CHECK_THAT(Document("t").html(), !Contains("<nav"));
}

TEST_CASE("documents: Markdown links pictures as seen from its folder, code cannot end itself") {
  const test::TemporaryFolder folder;
  const Document document = everything(folder.path());
  CHECK_THAT(document.markdown(folder.path()), Contains("\n![Grey squares](images.png)\n"));
  CHECK_THAT(document.markdown(folder.path() / "x"), Contains("\n![Loss](../loss.png)\n"));
  CHECK_THAT(Document("t").code("```\n").markdown(""), Contains("````text\n```\n````\n"));
}

TEST_CASE("documents: a page needs no other file and is the same each time") {
  const test::TemporaryFolder folder;
  const Document document = everything(folder.path());
  const std::string html = document.html();
  CHECK(html == document.html());
  CHECK_THAT(html, Contains("<img src=\"data:image/svg+xml;base64,") &&
                       Contains("<img src=\"data:image/png;base64,"));
  CHECK_THAT(html, !Contains("http") && !Contains("<script"));
  document.write(folder.path() / "page");
  CHECK(contents(folder.path() / "page.html") == html);
  CHECK(contents(folder.path() / "page.md") == document.markdown(folder.path()));
  std::filesystem::remove(folder.path() / "loss.svg");
  CHECK_THROWS_AS(document.html(), FileError);
  CHECK_THROWS_AS(Document("t").write("/proc/none/page"), FileError);
}

TEST_CASE("documents: a browser finds nothing wrong with the page, and notices what is") {
  const test::TemporaryFolder folder;
  const std::string html = everything(folder.path()).html();
  const fs::path page = folder.path() / "page.html";
  const auto check = [&](const std::string& text) {
    write_file(page, text);
    return check_page(page);
  };
  const Checked good = check(html);
  CAPTURE(good.output);
  CHECK(good.exit_code == 0);

  const auto noticed = [&](const std::string& element, const std::string& words) {
    const Checked bad = check(with(html, element));
    CAPTURE(element, bad.output);
    CHECK(bad.exit_code == 1);
    CHECK_THAT(bad.output, Contains(words));
  };
  noticed("<img src=\"none.png\" alt=\"gone\">", "FAULT at 1200: picture missing: gone");
  noticed("<script>nonsense()</script>", "nonsense is not defined");
  noticed("<p style=\"width: 900px\">wide</p>", "FAULT at 400: scrolls sideways");
  noticed("<div style=\"width: 1300px\">wide</div>", "FAULT at 1200: scrolls sideways");

  const Checked without = check_page(page, "PATH=/nonexistent");
  CHECK(without.exit_code == 1);
  CHECK_THAT(without.output, Contains("install the package chromium"));
}
