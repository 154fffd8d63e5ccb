// Disks that are full, read-only, gone and the like, made for one process.
#pragma once

#include <sys/resource.h>

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad::test {

/// A condition that this system does not let us make.
struct NotMeasured : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws NotMeasured with the system's reason unless the call was successful.
void must(bool successful, const std::string& call);

/// The folder `disk` on which a training keeps its files: in a file system of its own, in memory,
/// which is also mounted as `volume`.
struct Place {
  std::filesystem::path volume, disk;

  std::filesystem::path kept() const { return disk / "kept"; }  // the checkpoints' folder
  std::filesystem::path filler() const { return volume / "filler"; }

  void attach() const;
};

/// What happens to a training of 30 steps that saves a checkpoint after every fifth.
struct Condition {
  std::string name;
  std::string reason;  // the system's, for warnings and errors to give
  std::function<void(const Place&)> strike, relieve;
  Index struck_after = 12;
  Index relieved_after = 0;  // 0: when the training has ended
  Index kept = 10;           // a start afterwards goes on from here or later
  /// Options of the file system in memory. None: there is none, and the user is not root.
  std::string volume = "size=1m";
};

/// All of them.
std::vector<Condition> disk_conditions();

/// Makes the place for a condition in an empty folder, for this process alone: enters mounts of its
/// own, or gives up the rights of root.
Place enter(const Condition& condition, const std::filesystem::path& folder);

/// Somebody's file takes all the room there is but for so many pages.
void fill(const Place& place, Index spare_pages = 0);

using Resource = decltype(RLIMIT_NOFILE);

/// Lowers or raises what this process may use.
void limit(Resource resource, rlim_t to);

}  // namespace tapegrad::test
