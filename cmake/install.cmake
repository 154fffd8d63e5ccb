# Headers under <prefix>/include/tapegrad, the library, and what find_package and pkg-config need.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(headers ${CMAKE_INSTALL_INCLUDEDIR}/tapegrad)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tapegrad)

install(TARGETS tapegrad EXPORT tapegrad_targets FILE_SET HEADERS DESTINATION ${headers})
install(EXPORT tapegrad_targets NAMESPACE tapegrad:: DESTINATION ${package})

configure_package_config_file(cmake/tapegradConfig.cmake.in tapegradConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(tapegradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/tapegradConfigVersion.cmake DESTINATION ${package})

# Relative to the file itself, so that it is right wherever the library is installed.
file(RELATIVE_PATH TAPEGRAD_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/tapegrad.pc.in tapegrad.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tapegrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
