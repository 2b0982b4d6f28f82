{
  # Only a bridge for prebuildify, which drives node-gyp: CMakeLists.txt is where the native part is described.
  "targets": [
    {
      "target_name": "espalier",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake_js",
          "inputs": ["CMakeLists.txt", "scripts/build/build.mjs"],
          # The second name never exists: CMake decides what is out of date, so it is always asked.
          "outputs": ["<(PRODUCT_DIR)/espalier.node", "<(PRODUCT_DIR)/.always"],
          "action": ["node", "scripts/build/build.mjs", "--to", "<(PRODUCT_DIR)"],
          "message": "building with cmake-js"
        }
      ]
    }
  ]
}
