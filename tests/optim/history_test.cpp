#include "optim/history.h"

#include <cmath>
#include <cstdio>
#include <string>

#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("history: the CSV text, with what was not measured left empty") {
  CHECK(optim::to_csv({}) ==
        "step,epoch,lr,train_cost,train_loss,train_accuracy,validation_cost,validation_loss,"
        "validation_accuracy\n");
  const optim::Measurement first{0, 0, 1e-5, 0.5, {2.25, 0.125}, {}};
  const optim::Measurement second{100, 1.5, 0.1, 0, {0.1, 1.0 / 3}, {2, 0.5}};
  CHECK(optim::to_csv({first, second}) ==
        "step,epoch,lr,train_cost,train_loss,train_accuracy,validation_cost,validation_loss,"
        "validation_accuracy\n"
        "0,0,1e-05,2.75,2.25,0.125,,,\n"
        "100,1.5,0.1,0.1,0.1,0.3333333333333333,2,2,0.5\n");
}

TEST_CASE("history: the JSON text, with null for what was not measured") {
  CHECK(optim::to_json({}) == "[\n]\n");
  const optim::Measurement m{100, 1.5, 0.1, 0.5, {2.25, 0.125}, {}};
  CHECK(optim::to_json({m, m}).find("},\n{\"step\": 100,") != std::string::npos);
  CHECK(optim::to_json({m}) ==
        "[\n{\"step\": 100, \"epoch\": 1.5, \"lr\": 0.1, \"train\": {\"cost\": 2.75, "
        "\"loss\": 2.25, \"accuracy\": 0.125}, \"validation\": {\"cost\": null, \"loss\": null, "
        "\"accuracy\": null}}\n]\n");
}

TEST_CASE("history: numbers read back exactly") {
  const optim::Measurement m{1, 0.1, 0.1 + 0.2, 0, {std::nextafter(1.0, 2.0), 2.0 / 3}, {}};
  const std::string text = optim::to_csv({m});
  const std::string line = text.substr(text.find('\n') + 1);
  double epoch = 0;
  double lr = 0;
  double cost = 0;
  double loss = 0;
  double accuracy = 0;
  REQUIRE(std::sscanf(line.c_str(), "1,%lf,%lf,%lf,%lf,%lf,,,", &epoch, &lr, &cost, &loss,
                      &accuracy) == 5);
  CHECK(epoch == m.epoch);
  CHECK(lr == m.lr);
  CHECK(cost == m.train_cost());
  CHECK(loss == m.train.loss);
  CHECK(accuracy == m.train.accuracy);
}

TEST_CASE("history: an infinite loss was measured") {
  optim::Measurement m;
  m.train = {INFINITY, 0.1};
  CHECK_THAT(optim::to_csv({m}), Catch::Contains(",inf,0.1,"));
}
