#include "optim/search.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <mutex>
#include <set>

#include "optim/lint.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using Catch::Matchers::Contains;
using optim::Axis;
using optim::SearchRow;
using optim::Setting;
using optim::Trial;

namespace {

const std::vector<Axis> lambda{{"lambda", 1e-5, 1e-1}};

// A made-up accuracy with its best at 1e-3 and noise that depends on the seed.
double accuracy(const Trial& trial) {
  Rng noise(trial.seed, static_cast<std::uint64_t>(trial.setting));
  const double distance = std::log10(trial.values[0]) + 3;
  return 0.5 - 0.02 * distance * distance + 0.001 * noise.normal() +
         0.001 * static_cast<double>(trial.budget);
}

double relative_error(double x, double expected) { return std::abs(x / expected - 1); }

}  // namespace

TEST_CASE("search: a grid has both ends and equal ratios, or equal differences") {
  const auto settings = optim::grid(lambda, 8);
  REQUIRE(settings.size() == 8);
  CHECK(settings.front()[0] == 1e-5);
  CHECK(settings.back()[0] == 1e-1);
  // NumPy's logspace(-5, -1, 8).
  CHECK(relative_error(settings[1][0], 3.727593720314938e-05) < 1e-13);
  CHECK(relative_error(settings[4][0], 0.0019306977288832496) < 1e-13);
  const std::vector<Axis> linear{{"momentum", 0, 1, false}};
  CHECK(optim::grid(linear, 5)[1][0] == 0.25);
  CHECK(optim::grid(linear, 1) == std::vector<Setting>{{0.5}});
  const std::vector<Axis> two{{"a", 0, 1, false}, {"b", 1, 100}};
  CHECK(optim::grid(two, 2) == std::vector<Setting>{{0, 1}, {0, 100}, {1, 1}, {1, 100}});
}

TEST_CASE("search: random settings are log-uniform, and each depends on seed and place alone") {
  const auto many = optim::sample(lambda, 2000, 7);
  const auto few = optim::sample(lambda, 10, 7);
  CHECK(std::equal(few.begin(), few.end(), many.begin()));
  CHECK(optim::sample(lambda, 10, 8) != few);
  Index per_decade[4] = {};
  for (const Setting& s : many) {
    REQUIRE((s[0] >= 1e-5 && s[0] <= 1e-1));
    ++per_decade[static_cast<int>(std::floor(std::log10(s[0]) + 5))];
  }
  for (const Index n : per_decade) CHECK(std::abs(n - 500) < 100);  // five sigma
}

TEST_CASE("search: the finer range lies around the best, inside the coarse one") {
  const auto finer = optim::around(lambda, {1e-3}, 0.5);
  CHECK(relative_error(finer[0].low, 1e-4) < 1e-12);
  CHECK(relative_error(finer[0].high, 1e-2) < 1e-12);
  CHECK(optim::around(lambda, {1e-5}, 0.25)[0].low == 1e-5);
  CHECK(optim::around(lambda, {1e-1}, 0.25)[0].high == 1e-1);
}

TEST_CASE("search: the table is the same for any number of workers") {
  const auto settings = optim::sample(lambda, 12, 1);
  const auto table = [&](Index workers) {
    return optim::to_csv(lambda,
                         optim::search(settings, accuracy, {.repetitions = 3, .workers = workers}));
  };
  const std::string one = table(1);
  CHECK(table(2) == one);
  CHECK(table(8) == one);
  CHECK_THAT(one, Contains("lambda,budget,mean,standard_error,tied,score_0,score_1,score_2\n"));
}

TEST_CASE("search: means, standard errors and ties") {
  const std::vector<Setting> settings{{1}, {2}, {3}};
  // The first two differ by less than their noise, the third by much more.
  const double scores[3][3] = {{.50, .52, .54}, {.51, .52, .53}, {.40, .41, .42}};
  const auto rows =
      optim::search(settings, [&](const Trial& t) { return scores[t.setting][t.repetition]; },
                    {.repetitions = 3});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].setting == 0);  // equal means: in the order given
  CHECK(std::abs(rows[0].mean - .52) < 1e-12);
  CHECK(relative_error(rows[0].standard_error, .02 / std::sqrt(3.0)) < 1e-12);
  CHECK((rows[0].tied && rows[1].tied && !rows[2].tied));
  const std::string text = optim::to_string(lambda, rows);
  CHECK_THAT(text, Contains("best"));
  CHECK_THAT(text, Contains("tied"));

  const auto single = optim::search(settings, [&](const Trial& t) { return scores[t.setting][0]; },
                                    {.validation_images = 2500});
  CHECK(single[0].setting == 1);
  CHECK(relative_error(single[0].standard_error, std::sqrt(.51 * .49 / 2500)) < 1e-12);
}

TEST_CASE("search: all settings of a repetition have its seed") {
  std::set<std::uint64_t> seeds[2];
  optim::search({{1}, {2}, {3}},
                [&](const Trial& t) {
                  seeds[t.repetition].insert(t.seed);
                  return 0.0;
                },
                {.repetitions = 2, .seed = 40});
  CHECK(seeds[0] == std::set<std::uint64_t>{40});
  CHECK(seeds[1] == std::set<std::uint64_t>{41});
}

TEST_CASE("search: successive halving spends its budget on the best") {
  const auto settings = optim::grid(lambda, 9);
  std::atomic<Index> spent = 0;
  const auto counted = [&](const Trial& t) {
    spent += t.budget;
    return accuracy(t);
  };
  const auto rows = optim::search(settings, counted, {.budget = 4, .halving = 2});
  CHECK(spent == 9 * 1 + 5 * 2 + 3 * 4);
  CHECK(std::abs(std::log10(rows[0].values[0]) + 3) < 0.51);
  const auto with_budget = [&](Index budget) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const SearchRow& r) { return r.budget == budget; });
  };
  CHECK(with_budget(4) == 3);
  CHECK(with_budget(2) == 2);
  CHECK(with_budget(1) == 4);
  spent = 0;
  optim::search(settings, counted, {.budget = 4});
  CHECK(spent == 36);
}

TEST_CASE("search: a training that failed ranks last") {
  const auto rows = optim::search(
      {{1}, {2}, {3}}, [](const Trial& t) { return t.setting == 0 ? std::nan("") : 0.3; }, {});
  CHECK(rows[2].setting == 0);
  CHECK_FALSE(rows[2].tied);
}

TEST_CASE("search: killed after any trial and resumed, it gives the same table") {
  const test::TemporaryFolder folder;
  const auto settings = optim::sample(lambda, 6, 3);
  const optim::SearchOptions plain{.repetitions = 2, .budget = 4, .halving = 2};
  const std::string expected = optim::to_csv(lambda, optim::search(settings, accuracy, plain));
  for (Index killed_after = 0; killed_after < 22; ++killed_after) {
    const auto path = folder.path() / "journal";
    std::filesystem::remove(path);
    Index trials = 0;
    const auto dying = [&](const Trial& t) {
      if (trials++ == killed_after) throw std::runtime_error("killed");
      return accuracy(t);
    };
    optim::SearchOptions options = plain;
    {
      optim::Journal journal(path, "test");
      options.journal = &journal;
      CHECK_THROWS_WITH(optim::search(settings, dying, options), "killed");
    }
    optim::Journal journal = optim::Journal::resume(path, "test");
    CHECK(std::ssize(std::vector<int>(journal.size())) == killed_after);
    options.journal = &journal;
    Index again = 0;
    const auto counted = [&](const Trial& t) {
      ++again;
      return accuracy(t);
    };
    CHECK(optim::to_csv(lambda, optim::search(settings, counted, options)) == expected);
    CHECK(again == 22 - killed_after);
  }
}

TEST_CASE("search: trials that are made together give the same table, and no worker is idle") {
  const auto settings = optim::grid(lambda, 10);
  for (const Index workers : {1, 2, 3}) {
    for (const Index together : {Index{1}, Index{3}, Index{4}, std::numeric_limits<Index>::max()}) {
      const optim::SearchOptions options{
          .repetitions = 2, .budget = 4, .halving = 2, .workers = workers};
      std::mutex mutex;
      std::vector<std::size_t> sizes;
      const auto rows = optim::search(
          settings,
          [&](std::span<const Trial> trials) {
            const std::scoped_lock lock(mutex);
            std::vector<double> scores;
            for (const Trial& trial : trials) {
              CHECK(trial.seed == trials.front().seed);
              CHECK(trial.budget == trials.front().budget);
              scores.push_back(accuracy(trial));
            }
            if (trials.front().budget == 1) sizes.push_back(trials.size());
            return scores;
          },
          together, options);
      CAPTURE(workers, together, sizes);
      CHECK(optim::to_csv(lambda, rows) ==
            optim::to_csv(lambda, optim::search(settings, accuracy, options)));
      CHECK(*std::max_element(sizes.begin(), sizes.end()) <= static_cast<std::size_t>(together));
      if (together > 1) CHECK(std::ssize(sizes) % workers == 0);
      if (together > 4) CHECK(std::ssize(sizes) == (workers == 3 ? 6 : 2));
    }
  }
}

TEST_CASE("search: an objective has to score every trial") {
  const auto too_few = [](std::span<const Trial>) { return std::vector<double>{0.5}; };
  CHECK_THROWS_WITH(optim::search(optim::grid(lambda, 4), too_few, 2, {}),
                    "search: the objective returned 1 scores for 2 trials");
  const auto no_accuracy = [](const Trial&) { return 7.5; };
  CHECK_THROWS_WITH(optim::search(optim::grid(lambda, 4), no_accuracy, {}),
                    "search: the objective returned 7.5, which is no accuracy between 0 and 1");
  CHECK_THROWS_WITH(optim::search(optim::grid(lambda, 4), too_few, 0, {}),
                    "search: together is 0, but must be at least 1");
}

TEST_CASE("search: bad options are refused, saying which") {
  using Catch::Matchers::Message;
  const std::vector<Axis> backwards{{"lambda", 1, 0.1}};
  CHECK_THROWS_MATCHES(optim::grid(backwards, 3), OptionError,
                       Message("search: lambda from 1 to 0.1 is no range: a logarithmic one needs "
                               "0 < low <= high"));
  const std::vector<Axis> zero{{"lambda", 0, 0.1}};
  CHECK_THROWS_AS(optim::sample(zero, 3, 1), OptionError);
  const std::vector<Axis> infinite{{"lr", 0, INFINITY, false}};
  CHECK_THROWS_AS(optim::grid(infinite, 3), OptionError);
  CHECK_THROWS_AS(optim::grid(lambda, 0), OptionError);
  CHECK_THROWS_AS(optim::grid({}, 3), OptionError);
  const auto objective = [](const Trial&) { return 0.0; };
  CHECK_THROWS_WITH(optim::search({{1}}, objective, {.repetitions = 0}),
                    "search: repetitions is 0, but must be at least 1");
  CHECK_THROWS_AS(optim::search({{1}}, objective, {.halving = 0}), OptionError);
}

TEST_CASE("journal: what cannot be continued is refused") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  {
    optim::Journal journal(path, "one thing");
    journal.record("a", {1, 0.1, std::nan("")});
    journal.record("b", {});
  }
  {
    const optim::Journal again = optim::Journal::resume(path, "one thing");
    REQUIRE(again.find("a") != nullptr);
    CHECK(again.find("a")->at(1) == 0.1);
    CHECK(std::isnan(again.find("a")->at(2)));
    CHECK(again.find("b")->empty());
    CHECK(again.find("c") == nullptr);
  }
  CHECK_THROWS_AS(optim::Journal::resume(path, "another"), FormatError);
  const std::vector<std::byte> whole = read_file(path);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::vector<std::byte> damaged = whole;
    damaged[bit / 8] ^= std::byte(1U << bit % 8);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(damaged.data()), std::ssize(damaged));
    CHECK_THROWS_AS(optim::Journal::resume(path, "one thing"), FormatError);
  }
  write_file(path, std::string_view("something else\n"));
  CHECK_THROWS_AS(optim::Journal::resume(path, "one thing"), FormatError);
  write_file(path, std::string_view("tapegrad journal of one thing\na 1 2"));
  CHECK_THROWS_AS(optim::Journal::resume(path, "one thing"), FormatError);
  write_file(path, std::string_view("tapegrad journal of one thing\na 1 x\n"));
  CHECK_THROWS_AS(optim::Journal::resume(path, "one thing"), FormatError);
}

TEST_CASE("lint: epochs that are not the cycles somebody states") {
  const auto found = optim::lint_cycles(
      {.half_cycle = 900, .steps = 48 * 450, .steps_per_epoch = 450, .stated_cycles = 3});
  REQUIRE(found.size() == 1);
  CHECK(found[0] == "48 epochs at a half-cycle of 900 steps are 12 cycles, not 3");
  CHECK(optim::lint_cycles(
            {.half_cycle = 900, .steps = 48 * 450, .steps_per_epoch = 450, .stated_cycles = 12})
            .empty());
}

TEST_CASE("lint: training that ends inside a cycle, half-cycles outside 2 to 8 epochs") {
  const auto inside =
      optim::lint_cycles({.half_cycle = 500, .steps = 2250, .steps_per_epoch = 100});
  REQUIRE(inside.size() == 1);
  CHECK_THAT(inside[0], Contains("end 25 % into cycle 3"));
  CHECK_THAT(inside[0], Contains("2000 or 3000 steps end a cycle"));
  const auto shorter =
      optim::lint_cycles({.half_cycle = 500, .steps = 1000, .steps_per_epoch = 450});
  REQUIRE(shorter.size() == 1);
  CHECK_THAT(shorter[0], Contains("2 to 8 are advised, 900 to 3600 steps here"));
  CHECK(optim::lint_cycles({.half_cycle = 810, .steps = 1620, .steps_per_epoch = 100}).size() == 1);
  for (const Index half : {200, 500, 800}) {
    CHECK(optim::lint_cycles({.half_cycle = half, .steps = 2 * half, .steps_per_epoch = 100})
              .empty());
  }
}

TEST_CASE("lint: a search that lambda does not move") {
  const auto settings = optim::grid(lambda, 8);
  const auto flat = [](const Trial& t) {
    return 0.515 + 0.001 * static_cast<double>(t.setting % 3);
  };
  const auto found =
      optim::lint_search(lambda[0], optim::search(settings, flat, {.validation_images = 5000}));
  REQUIRE(found.size() == 1);
  CHECK_THAT(found[0], Contains("perhaps the update ignores lambda"));
  // The right gradient: accuracies of the course's grid.
  const double right[] = {.515, .514, .515, .516, .518, .509, .469, .385};
  const auto moving = [&](const Trial& t) { return right[t.setting]; };
  CHECK(optim::lint_search(lambda[0], optim::search(settings, moving, {.validation_images = 5000}))
            .empty());
  // A narrow range may well be flat.
  const std::vector<Axis> narrow{{"lambda", 1e-3, 1e-2}};
  CHECK(optim::lint_search(narrow[0], optim::search(optim::grid(narrow, 8), flat, {})).empty());
}

TEST_CASE("search: a range around a setting outside is one inside, around none it is refused") {
  for (const double center : {1e-9, 10.0, -1.0}) {
    const auto finer = optim::around(lambda, {center}, 0.5)[0];
    CAPTURE(center, finer.low, finer.high);
    CHECK(finer.low >= 1e-5);
    CHECK(finer.low < finer.high);
    CHECK(finer.high <= 1e-1);
  }
  CHECK_THROWS_AS(optim::around(lambda, {std::nan("")}, 0.5), OptionError);
}

TEST_CASE("search: trials of other budgets tie with none") {
  const std::vector<optim::Setting> settings{{1}, {2}, {3}, {4}};
  const auto rows =
      optim::search(settings,
                    [](const optim::Trial& t) {
                      return t.budget == 1 ? 0.5 - 0.01 * static_cast<double>(t.setting) : 0.4;
                    },
                    {.budget = 2, .halving = 2, .validation_images = 10});
  REQUIRE(rows.back().budget == 1);
  CHECK_FALSE(rows.back().tied);
}
